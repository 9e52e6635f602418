//! The reading role.

use std::marker::PhantomData;
use std::time::Duration;

use crate::layout::{Control, Lane, WORD};
use crate::primitive::{AWAKE, Bell, Fences, Peek, Poke, advance};
use crate::record::{Header, record_bytes};
use crate::violation::Violation;

/// How much one poll may take before the caller must yield to its other work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Most records.
    pub records: usize,
    /// Bytes after which no further record is begun; one record may go beyond it.
    pub bytes: u64,
}

impl Budget {
    /// 256 records or 64 KiB: about 50 microseconds of copying, so that one flooding worker delays
    /// the others by less than a decode step.
    pub const POLL: Self = Self { records: 256, bytes: 64 << 10 };

    /// Everything that a ring can hold; only for a peer that is dead.
    pub(crate) const ALL: Self = Self { records: usize::MAX, bytes: u64::MAX };
}

impl Default for Budget {
    fn default() -> Self {
        Self::POLL
    }
}

/// What one poll took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Records handed to the closure.
    pub records: usize,
    /// Bytes of these records with headers and padding.
    pub bytes: u64,
    /// Published records are left: yield, then poll again without waiting for the bell.
    pub more: bool,
    /// The peer used up its share: sleep so long before the next poll. Only the broker's end asks
    /// for it, and only the caller can grant it.
    pub pause: Option<Duration>,
}

/// Reads records out of `peer` and writes its own head into `own`.
#[derive(Debug)]
pub(crate) struct Consumer<O, P, F> {
    own: O,
    peer: P,
    lane: Lane,
    /// End of what was read.
    head: u64,
    /// The last valid tail of the peer.
    tail: u64,
    /// Where a payload is copied to before anybody parses it; as long as the longest.
    scratch: Box<[u8]>,
    poison: Option<Violation>,
    fences: PhantomData<F>,
}

impl<O: Poke, P: Peek, F: Fences> Consumer<O, P, F> {
    pub(crate) fn new(own: O, peer: P, lane: Lane) -> Self {
        own.set(Control::DataWake, AWAKE);
        let longest = usize::try_from(lane.record_max).unwrap_or(usize::MAX);
        let scratch = vec![0; longest].into_boxed_slice();
        Self { own, peer, lane, head: 0, tail: 0, scratch, poison: None, fences: PhantomData }
    }

    /// Both ends may begin anywhere; production begins at zero.
    #[cfg(test)]
    pub(super) fn start_at(&mut self, position: u64) {
        (self.head, self.tail) = (position, position);
    }

    pub(crate) fn own(&self) -> &O {
        &self.own
    }

    pub(crate) fn peer(&self) -> &P {
        &self.peer
    }

    /// Hands published records to `f`, in order, until the budget or the ring is exhausted.
    ///
    /// The records before a violation have been handed over; the caller decides their worth.
    pub(crate) fn drain(
        &mut self,
        budget: Budget,
        mut f: impl FnMut(u8, &[u8]),
    ) -> Result<(Drained, Bell), Violation> {
        self.observe()?;
        let from = self.head;
        let mut records = 0;
        while self.head < self.tail && records < budget.records && self.head - from < budget.bytes {
            let header = self.next()?;
            f(header.kind, self.payload(header));
            records += 1;
        }
        let bell = self.release(from);
        let more = self.head < self.tail;
        Ok((Drained { records, bytes: self.head - from, more, pause: None }, bell))
    }

    /// Whether a drain would answer something, a violation included.
    ///
    /// The tail is validated and remembered even here: a peer that shows a record and takes it back
    /// would otherwise wake this side for ever without being caught.
    pub(crate) fn is_pending(&mut self) -> bool {
        self.observe().is_err() || self.head < self.tail
    }

    /// Announces the sleep and looks once more; true if it is safe to sleep.
    pub(crate) fn arm(&mut self) -> bool {
        self.own.set(Control::DataWake, self.head);
        F::after_arm();
        let sleep = !self.is_pending();
        if !sleep {
            self.disarm();
        }
        sleep
    }

    pub(crate) fn disarm(&mut self) {
        self.own.set(Control::DataWake, AWAKE);
    }

    /// Makes every later drain answer `violation`.
    pub(crate) fn poison(&mut self, violation: Violation) {
        self.poison.get_or_insert(violation);
    }

    fn observe(&mut self) -> Result<(), Violation> {
        if let Some(violation) = self.poison {
            return Err(violation);
        }
        let tail = self.peer.control(Control::Tail);
        F::after_observe();
        let checked = self.check_tail(tail);
        self.poison = checked.err();
        self.tail = checked?;
        Ok(())
    }

    fn check_tail(&self, tail: u64) -> Result<u64, Violation> {
        let capacity = self.lane.capacity;
        if !tail.is_multiple_of(WORD as u64) {
            // guard
            return Err(Violation::Misaligned { position: tail });
        }
        if tail < self.tail {
            // guard
            return Err(Violation::TailBackwards { tail, seen: self.tail });
        }
        if tail - self.head > capacity {
            // guard
            return Err(Violation::TailBeyond { tail, head: self.head, capacity });
        }
        Ok(tail)
    }

    /// Loads one header once, copies its payload once, moves past both.
    fn next(&mut self) -> Result<Header, Violation> {
        let checked = self.copy_record();
        self.poison = checked.err();
        let header = checked?;
        self.head += record_bytes(header.length);
        Ok(header)
    }

    fn copy_record(&mut self) -> Result<Header, Violation> {
        let word = self.peer.data(self.head);
        let header = Header::parse(word, self.lane, self.tail - self.head)?;
        let padded = record_bytes(header.length) - WORD as u64;
        let (padded, length) = (index(padded), index(header.length));
        let copy = &mut self.scratch[..padded];
        self.peer.copy_out(self.head + WORD as u64, copy);
        if copy[length..].iter().any(|&byte| byte != 0) {
            // guard
            return Err(Violation::Padding { length: header.length });
        }
        Ok(header)
    }

    fn payload(&self, header: Header) -> &[u8] {
        &self.scratch[..index(header.length)]
    }

    /// One store of the head per drain, so that the producer's cache line moves once.
    fn release(&mut self, from: u64) -> Bell {
        if self.head == from {
            return Bell::Quiet;
        }
        let mark = (Control::Head, Control::SpaceWake);
        advance::<F>(&self.own, &self.peer, mark, (from, self.head))
    }
}

/// A length that was checked against `record_max`, which came from a usize.
#[expect(clippy::cast_possible_truncation, reason = "at most 2^28 after the check, see layout")]
const fn index(length: u64) -> usize {
    length as usize
}
