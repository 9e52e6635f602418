//! What a generation that can be adopted has said: kept until it was told, or for whoever comes.
//!
//! A stream with a journal does not end because its client reads slowly: what finds no room waits
//! here, within the bytes that were set aside for it, and leaves half of the outbox to others. Only
//! a client that takes nothing at all for long is given up ([`reader`]).

mod kept;
mod reader;
#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
};

use core_wire::{
    client::{Done, Event as ToClient, FinishReason, Timings, Usage},
    code::Refusal,
    ids::RequestId,
    worker::StepToken,
};
use tokio::task::spawn_local;

pub(super) use self::reader::Owner;
use self::{
    kept::{Kept, Retention},
    reader::{Reader, pump},
};
use super::perform::slow;
use crate::{ipc::Outbox, memory::Charge};

/// Bytes that are set aside for each token that may come: 80 for itself, 160 for its 20 likeliest
/// alternatives at most, and a text that is longer than nearly all.
pub(super) const KEPT_BYTES_EACH: usize = 384;

/// What a generation has said and its client may not have got; shared by all that speak for it.
#[derive(Clone, Debug)]
pub(super) struct Journal(Rc<RefCell<Kept>>);

/// The same, for somebody who only looks whether it is still there.
#[derive(Debug)]
pub(super) struct Faint(Weak<RefCell<Kept>>);

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
    pub(super) fn new(
        charge: Charge,
        told: u32,
        (outbox, id): (Outbox, RequestId),
        owner: Owner,
    ) -> Self {
        let reader = Reader { outbox, id, next: told, pump: None };
        Self(Rc::new(RefCell::new(Kept::new(charge, told, reader, owner))))
    }

    pub(super) fn faint(&self) -> Faint {
        Faint(Rc::downgrade(&self.0))
    }

    /// Whether it has ended, and somebody reads who has not got all of it.
    pub(super) fn is_behind(&self) -> bool {
        let kept = self.0.borrow();
        kept.end.is_some() && kept.reader.is_some()
    }

    /// Tells its reader, should it not have all, that the rest does not come.
    pub(super) fn cut_off(&self, why: Refusal) {
        self.0.borrow_mut().dismiss(&ToClient::Error(why));
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

    /// Its reader loses it to somebody else: there it is over, with what it used until then.
    pub(super) fn leave_reader(&self, so_far: Option<(Usage, Timings)>) {
        let mut kept = self.0.borrow_mut();
        let all = match &kept.end {
            Some(ToClient::Done(done)) => Some((done.usage, done.timings)),
            Some(_) | None => so_far,
        };
        let (usage, timings) = all.unwrap_or_default();
        let finish_reason = Some(FinishReason::Cancelled);
        kept.dismiss(&ToClient::Done(Done { finish_reason, usage, timings }));
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
        let (journal, patience) = (self.clone(), kept.owner.patience);
        if let Some(reader) = &mut kept.reader {
            let task = spawn_local(pump(journal, reader.outbox.clone(), patience));
            reader.pump = Some(task.abort_handle());
        }
    }

    /// Tells more to a reader that is waited for.
    fn tell_more(&self) -> Told {
        let mut kept = self.0.borrow_mut();
        let told = kept.tell();
        if told == Told::Some {
            return told;
        }
        if let Some(reader) = &mut kept.reader {
            reader.pump = None;
        }
        let owner = kept.end.is_some().then(|| kept.owner.clone());
        drop(kept);
        if let Some(owner) = owner {
            owner.is_told();
        }
        told
    }

    /// Its reader has taken nothing for too long. It hears that, and what nobody has a ticket for
    /// is kept no longer; what has one goes on without a reader.
    fn give_up(&self) {
        let owner = {
            let mut kept = self.0.borrow_mut();
            kept.dismiss(&ToClient::Error(slow()));
            if kept.retention == Retention::Untold {
                kept.forget();
            }
            kept.owner.clone()
        };
        owner.is_given_up();
    }
}

impl Faint {
    /// The journal, unless nobody needs it any more.
    pub(super) fn journal(&self) -> Option<Journal> {
        self.0.upgrade().map(Journal)
    }
}
