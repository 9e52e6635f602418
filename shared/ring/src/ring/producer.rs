//! The writing role.

use std::marker::PhantomData;

use thiserror::Error;

use crate::layout::{Control, Lane, WORD};
use crate::primitive::{AWAKE, Bell, Fences, Peek, Poke, advance, word_of};
use crate::record::{Header, record_bytes};
use crate::violation::Violation;

/// Why a record was not written. The ring is unchanged, unless it is a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PushError {
    /// The peer has not read enough yet; try again once it has.
    #[error("ring has {free} bytes free, the record needs {needed}: try again later")]
    Full {
        /// Bytes of the record with its header.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// The record could never be written; send it in fragments.
    #[error("record of {needed} bytes is over the limit of {limit}: send it in fragments")]
    TooLarge {
        /// Bytes of the record with its header.
        needed: u64,
        /// Most bytes of a record.
        limit: u64,
    },
    /// The kind is none that the peer would accept.
    #[error("record kind {kind} is not within 1 to {limit}")]
    Kind {
        /// The kind asked for.
        kind: u8,
        /// The highest kind of the layout.
        limit: u8,
    },
    /// The peer lied about how far it has read.
    #[error("the peer broke the ring: {0}")]
    Violation(#[from] Violation),
    /// Waiting for space failed in the kernel; the cause is an errno.
    #[error("cannot wait for space: errno {0}")]
    Wait(i32),
}

/// Answer to asking for space.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// The record fits now.
    Now,
    /// The wake word is armed: the peer rings when the record fits.
    Later,
}

/// Writes records into `own` and reads the peer's head in `peer`.
#[derive(Debug)]
pub(crate) struct Producer<O, P, F> {
    own: O,
    peer: P,
    lane: Lane,
    /// End of what was written, perhaps not yet published.
    tail: u64,
    /// What the peer may see.
    published: u64,
    /// The last valid head of the peer.
    peer_head: u64,
    poison: Option<Violation>,
    fences: PhantomData<F>,
}

impl<O: Poke, P: Peek, F: Fences> Producer<O, P, F> {
    pub(crate) fn new(own: O, peer: P, lane: Lane) -> Self {
        own.set(Control::SpaceWake, AWAKE);
        Self {
            own,
            peer,
            lane,
            tail: 0,
            published: 0,
            peer_head: 0,
            poison: None,
            fences: PhantomData,
        }
    }

    /// Both ends may begin anywhere; production begins at zero.
    #[cfg(test)]
    pub(super) fn start_at(&mut self, position: u64) {
        (self.tail, self.published, self.peer_head) = (position, position, position);
    }

    pub(crate) fn own(&self) -> &O {
        &self.own
    }

    pub(crate) fn peer(&self) -> &P {
        &self.peer
    }

    /// Writes one record behind the others; the peer sees it after [`Self::publish`].
    pub(crate) fn push(&mut self, kind: u8, payload: &[u8]) -> Result<(), PushError> {
        let needed = self.check(kind, payload)?;
        if self.cached_free() < needed {
            self.refresh()?;
        }
        let free = self.cached_free();
        if free < needed {
            return Err(PushError::Full { needed, free });
        }
        self.write(Header { length: payload.len() as u64, kind }, payload);
        self.tail += needed;
        Ok(())
    }

    /// Makes everything written visible, at most one bell for the whole batch.
    pub(crate) fn publish(&mut self) -> Bell {
        if self.published == self.tail {
            return Bell::Quiet;
        }
        let mark = (Control::Tail, Control::DataWake);
        let span = (self.published, self.tail);
        self.published = self.tail;
        advance::<F>(&self.own, &self.peer, mark, span)
    }

    /// Bytes that could be written now, headers included.
    pub(crate) fn free(&mut self) -> Result<u64, Violation> {
        self.refresh()?;
        Ok(self.cached_free())
    }

    /// Announces that this side waits for space for a record of `needed` bytes, then looks again.
    ///
    /// Everything must be published first: the peer cannot make room out of what it cannot see.
    pub(crate) fn arm_space(&mut self, needed: u64) -> Result<Room, Violation> {
        let needed = needed.min(self.lane.capacity);
        if self.free()? >= needed {
            return Ok(Room::Now);
        }
        // Not enough space means head < tail + needed - capacity, so the sum is at least one.
        let enough_at = self.tail + needed - self.lane.capacity;
        self.own.set(Control::SpaceWake, enough_at - 1);
        F::after_arm();
        if self.free()? >= needed {
            self.disarm_space();
            return Ok(Room::Now);
        }
        Ok(Room::Later)
    }

    pub(crate) fn disarm_space(&mut self) {
        self.own.set(Control::SpaceWake, AWAKE);
    }

    fn check(&self, kind: u8, payload: &[u8]) -> Result<u64, PushError> {
        if let Some(violation) = self.poison {
            return Err(violation.into());
        }
        let limit = self.lane.kind_max;
        if kind == 0 || kind > limit {
            return Err(PushError::Kind { kind, limit });
        }
        let needed = record_bytes(payload.len() as u64);
        let limit = self.lane.record_max;
        if needed > limit {
            return Err(PushError::TooLarge { needed, limit });
        }
        Ok(needed)
    }

    fn write(&self, header: Header, payload: &[u8]) {
        self.own.put(self.tail, header.encode());
        let start = self.tail + WORD as u64;
        let whole = payload.len() - payload.len() % WORD;
        let (words, rest) = payload.split_at(whole);
        self.own.copy_in(start, words);
        if !rest.is_empty() {
            self.own.put(start + whole as u64, word_of(rest));
        }
    }

    /// `peer_head <= published <= tail <= peer_head + capacity` holds at all times.
    fn cached_free(&self) -> u64 {
        self.lane.capacity - (self.tail - self.peer_head)
    }

    fn refresh(&mut self) -> Result<(), Violation> {
        if let Some(violation) = self.poison {
            return Err(violation);
        }
        let head = self.peer.control(Control::Head);
        F::after_observe();
        let checked = self.check_head(head);
        self.poison = checked.err();
        self.peer_head = checked?;
        Ok(())
    }

    fn check_head(&self, head: u64) -> Result<u64, Violation> {
        if !head.is_multiple_of(WORD as u64) {
            // guard
            return Err(Violation::Misaligned { position: head });
        }
        if head < self.peer_head {
            // guard
            return Err(Violation::HeadBackwards { head, seen: self.peer_head });
        }
        if head > self.published {
            // guard
            return Err(Violation::HeadBeyond { head, tail: self.published });
        }
        Ok(head)
    }
}
