//! What a generation that can be adopted has said: kept until it was told, or for whoever comes.
//!
//! A stream with a journal never ends because its client reads slowly: what finds no room waits
//! here, within the bytes that were set aside for it, and leaves half of the outbox to others.

#[cfg(test)]
mod tests;

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use core_wire::{
    client::Event as ToClient,
    code::{Code, Refusal},
    ids::RequestId,
    worker::StepToken,
};
use tokio::task::{AbortHandle, spawn_local};

use crate::{
    ipc::{Outbox, OutboxError},
    memory::shares::Portion,
};

/// Bytes that are set aside for each token that may come: 80 for itself, 160 for its 20 likeliest
/// alternatives at most, and a text that is longer than nearly all.
pub(super) const KEPT_BYTES_EACH: usize = 384;

/// What a generation has said and its client may not have got; shared by all that speak for it.
#[derive(Clone, Debug)]
pub(super) struct Journal(Rc<RefCell<Kept>>);

#[derive(Debug)]
struct Kept {
    tokens: VecDeque<StepToken>,
    /// Index of the first of them.
    first: u32,
    bytes: usize,
    /// How it ended.
    end: Option<ToClient>,
    reader: Option<Reader>,
    retention: Retention,
    charge: Portion,
}

/// What is kept of what was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retention {
    /// All of it: there is a ticket for it.
    All,
    /// Nothing.
    Untold,
}

/// Who hears it.
#[derive(Debug)]
struct Reader {
    outbox: Outbox,
    id: RequestId,
    /// Index of the token that is told next.
    next: u32,
    /// Waits for room, if that is needed.
    pump: Option<AbortHandle>,
}

/// How far telling came.
#[derive(PartialEq, Eq)]
enum Told {
    /// To the end of what there is, or nobody listens.
    All,
    /// Not so far: the rest waits for room.
    Some,
}

impl Journal {
    /// Keeps what comes after `told` tokens, which the reader has got.
    pub(super) fn new(charge: Portion, told: u32, outbox: Outbox, id: RequestId) -> Self {
        let reader = Some(Reader { outbox, id, next: told, pump: None });
        Self(Rc::new(RefCell::new(Kept {
            tokens: VecDeque::new(),
            first: told,
            bytes: 0,
            end: None,
            reader,
            retention: Retention::All,
            charge,
        })))
    }

    /// Keeps what is told from now on.
    pub(super) fn keep_all(&self) {
        self.0.borrow_mut().retention = Retention::All;
    }

    /// The index of the first token that is kept.
    pub(super) fn first(&self) -> u32 {
        self.0.borrow().first
    }

    /// How many tokens it has said.
    pub(super) fn count(&self) -> u32 {
        self.0.borrow().count()
    }

    /// Whether its reader has got everything: something else may be told then.
    pub(super) fn is_told(&self) -> bool {
        let kept = self.0.borrow();
        kept.reader.as_ref().is_some_and(|reader| reader.next == kept.count())
    }

    /// Adds a token.
    ///
    /// # Errors
    /// `MEMORY` when it holds more than was set aside for it.
    pub(super) fn say(&self, token: StepToken) -> Result<(), Refusal> {
        self.0.borrow_mut().push(token)?;
        self.tell();
        Ok(())
    }

    /// Adds its end: what was set aside for more is given back.
    pub(super) fn end(&self, event: ToClient) {
        {
            let mut kept = self.0.borrow_mut();
            kept.end = Some(event);
            kept.settle();
        }
        self.tell();
    }

    /// Nobody hears it any more.
    pub(super) fn silence(&self) {
        self.0.borrow_mut().reader = None;
    }

    /// Tells somebody else from the token `next` on, once: what was told is not kept any longer.
    pub(super) fn read_by(&self, outbox: Outbox, id: RequestId, next: u32) {
        {
            let mut kept = self.0.borrow_mut();
            kept.retention = Retention::Untold;
            kept.reader = Some(Reader { outbox, id, next, pump: None });
        }
        self.tell();
    }

    /// Tells as much as there is room for, and has the rest told when there is more.
    fn tell(&self) {
        let mut kept = self.0.borrow_mut();
        if kept.is_pumped() || kept.tell() == Told::All {
            return;
        }
        let journal = self.clone();
        if let Some(reader) = &mut kept.reader {
            let task = spawn_local(pump(journal, reader.outbox.clone()));
            reader.pump = Some(task.abort_handle());
        }
    }
}

/// Tells the rest as room comes; a connection that ends makes room for everything.
async fn pump(journal: Journal, outbox: Outbox) {
    // Ends when all is told or the reader has gone: each turn waits for the client to read.
    loop {
        outbox.room().await;
        let mut kept = journal.0.borrow_mut();
        if kept.tell() == Told::All {
            if let Some(reader) = &mut kept.reader {
                reader.pump = None;
            }
            return;
        }
    }
}

impl Kept {
    fn count(&self) -> u32 {
        self.first.saturating_add(u32::try_from(self.tokens.len()).unwrap_or(u32::MAX))
    }

    fn is_pumped(&self) -> bool {
        self.reader.as_ref().is_some_and(|reader| reader.pump.is_some())
    }

    fn push(&mut self, token: StepToken) -> Result<(), Refusal> {
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

    fn tell(&mut self) -> Told {
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

    /// Once nothing more can come, no more is held than what is kept.
    fn settle(&mut self) {
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
        }
        Told::All
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(pump) = self.pump.take() {
            pump.abort();
        }
    }
}

/// The event of a token; a generation that can be detached is the only completion of its request.
fn told(token: &StepToken) -> ToClient {
    let StepToken { token: id, text, logprob, top, .. } = token.clone();
    ToClient::Token { id, text, logprob, choice: 0, top }
}

/// Bytes that a token takes here.
fn size(token: &StepToken) -> usize {
    size_of::<StepToken>() + token.text.len() + size_of_val(token.top.as_slice())
}
