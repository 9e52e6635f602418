//! The tokens of a journal and who has got them.

use std::collections::VecDeque;

use core_wire::{
    client::Event as ToClient,
    code::{Code, Refusal},
    worker::StepToken,
};

use super::{
    Told,
    reader::{Owner, Reader, told},
};
use crate::{ipc::OutboxError, memory::Charge};

#[derive(Debug)]
pub(super) struct Kept {
    pub(super) owner: Owner,
    tokens: VecDeque<StepToken>,
    /// Index of the first of them.
    pub(super) first: u32,
    pub(super) bytes: usize,
    /// How it ended.
    pub(super) end: Option<ToClient>,
    pub(super) reader: Option<Reader>,
    pub(super) retention: Retention,
    charge: Charge,
}

/// What is kept of what was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retention {
    /// All of it: there is a ticket for it.
    All,
    /// Nothing.
    Untold,
}

impl Kept {
    /// Nothing yet, after `told` tokens.
    pub(super) fn new(charge: Charge, told: u32, reader: Reader, owner: Owner) -> Self {
        Self {
            owner,
            tokens: VecDeque::new(),
            first: told,
            bytes: 0,
            end: None,
            reader: Some(reader),
            retention: Retention::All,
            charge,
        }
    }

    pub(super) fn count(&self) -> u32 {
        self.first.saturating_add(u32::try_from(self.tokens.len()).unwrap_or(u32::MAX))
    }

    pub(super) fn is_pumped(&self) -> bool {
        self.reader.as_ref().is_some_and(|reader| reader.pump.is_some())
    }

    pub(super) fn push(&mut self, token: StepToken) -> Result<(), Refusal> {
        self.bytes += size(&token);
        if self.bytes > self.charge.bytes() {
            let max = self.charge.bytes();
            let message = format!(
                "what is kept for who adopts this request takes more than the {max} bytes that \
                 were set aside when it was detached: adopt it earlier"
            );
            return Err(Refusal::new(Code::Memory, message));
        }
        self.tokens.push_back(token);
        Ok(())
    }

    pub(super) fn tell(&mut self) -> Told {
        let told = self.tell_reader();
        if let (Retention::Untold, Some(reader)) = (self.retention, &self.reader) {
            while self.first < reader.next
                && let Some(token) = self.tokens.pop_front()
            {
                self.bytes -= size(&token);
                self.first += 1;
            }
        }
        self.settle();
        told
    }

    /// Tells the reader, if there still is one, how it ends for it.
    pub(super) fn dismiss(&mut self, last: &ToClient) {
        if let Some(reader) = self.reader.take() {
            // One that is gone hears nothing; one that is full is closed by its outbox.
            let _ = reader.outbox.send(&reader.id, last);
        }
    }

    /// Keeps nothing of what was said, nor room for more.
    pub(super) fn forget(&mut self) {
        self.first = self.count();
        self.tokens = VecDeque::new();
        self.bytes = 0;
        self.charge.shrink(0);
    }

    /// Once nothing more can come, no more is held than what is kept.
    pub(super) fn settle(&mut self) {
        if self.end.is_some() {
            self.charge.shrink(self.bytes);
        }
    }

    fn tell_reader(&mut self) -> Told {
        let Some(reader) = &mut self.reader else {
            return Told::All;
        };
        let skipped = usize::try_from(reader.next.saturating_sub(self.first)).unwrap_or(usize::MAX);
        for token in self.tokens.iter().skip(skipped) {
            if reader.outbox.is_fuller_than_half() {
                return Told::Some;
            }
            match reader.outbox.send(&reader.id, &told(token)) {
                Ok(()) => reader.next += 1,
                Err(OutboxError::Full) => return Told::Some,
                Err(OutboxError::Gone) => {
                    self.reader = None;
                    return Told::All;
                }
            }
        }
        if let Some(end) = &self.end {
            // One that is gone hears nothing; one that is full is closed by its outbox.
            let _ = reader.outbox.send(&reader.id, end);
            self.reader = None;
            if self.retention == Retention::Untold {
                self.forget();
            }
        }
        Told::All
    }
}

/// Bytes that a token takes here.
fn size(token: &StepToken) -> usize {
    size_of::<StepToken>() + token.text.len() + size_of_val(token.top.as_slice())
}
