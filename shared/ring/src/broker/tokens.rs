//! Tokens from the worker: every word is hostile until checked.

use std::os::fd::OwnedFd;
use std::time::Instant;

use super::pace::Pace;
use crate::futex;
use crate::layout::{Control, Layout};
use crate::memory::{Own, Peer};
use crate::primitive::{Bell, Hardware, Peek};
use crate::ring::{Budget, Consumer, Drained};
use crate::violation::Violation;

#[cfg(any(test, feature = "broker"))]
use super::wait::Doorbell;

/// Without tokio nobody waits on it, but the eventfd must outlive the worker's writes.
#[cfg(not(any(test, feature = "broker")))]
#[derive(Debug)]
pub(super) struct Doorbell {
    _held: OwnedFd,
}

#[cfg(not(any(test, feature = "broker")))]
impl From<OwnedFd> for Doorbell {
    fn from(fd: OwnedFd) -> Self {
        Self { _held: fd }
    }
}

/// Reads W and polls the bell.
#[derive(Debug)]
pub struct TokenReceiver {
    pub(super) ring: Consumer<Own, Peer, Hardware>,
    pub(super) pace: Pace,
    /// Gone once the ring is poisoned: a storm on it can then wake nobody.
    pub(super) bell: Option<Doorbell>,
    /// Bells in a row that came with nothing in the ring.
    #[cfg(any(test, feature = "broker"))]
    pub(super) empty_wakeups: u32,
}

impl TokenReceiver {
    pub(super) fn new(own: Own, peer: Peer, layout: &Layout, bell: OwnedFd) -> Self {
        let ring = Consumer::new(own, peer, layout.tokens());
        let pace = Pace::new(Instant::now());
        Self {
            ring,
            pace,
            bell: Some(bell.into()),
            #[cfg(any(test, feature = "broker"))]
            empty_wakeups: 0,
        }
    }

    /// Hands published records to `f`, in order, up to the budget: kind and private copy.
    ///
    /// A [`Drained::pause`] means that this worker has used up its share of the broker's time:
    /// leave its ring alone for so long. It then fills up and stops the worker.
    ///
    /// # Errors
    /// A [`Violation`], for ever: kill the worker and recover its requests elsewhere. Records that
    /// came before it were well formed and have been handed over.
    pub fn drain(
        &mut self,
        budget: Budget,
        f: impl FnMut(u8, &[u8]),
    ) -> Result<Drained, Violation> {
        let mut drained = self.take(budget, f)?;
        self.pace.took(&drained);
        drained.pause = self.pace.pause(Instant::now);
        Ok(drained)
    }

    /// Hands over everything that a dead worker left, in one go; bounded by the ring's size.
    ///
    /// A record is published whole or not at all, so nothing torn can appear here.
    ///
    /// # Errors
    /// A [`Violation`]: what came before it was well formed and has been handed over.
    pub fn drain_dead(&mut self, f: impl FnMut(u8, &[u8])) -> Result<Drained, Violation> {
        self.bell = None;
        self.take(Budget::ALL, f)
    }

    /// The worker's heartbeat: compare it with an earlier one, its value means nothing.
    #[must_use]
    pub fn heartbeat(&self) -> u64 {
        self.ring.peer().control(Control::Pulse)
    }

    /// Gives the worker up because a well-formed record meant something impossible.
    pub fn poison(&mut self) {
        self.refuse(Violation::Meaning);
    }

    pub(super) fn refuse(&mut self, violation: Violation) {
        self.ring.poison(violation);
        self.bell = None;
    }

    fn take(&mut self, budget: Budget, f: impl FnMut(u8, &[u8])) -> Result<Drained, Violation> {
        match self.ring.drain(budget, f) {
            Ok((drained, bell)) => {
                if bell == Bell::Due {
                    futex::ring(self.ring.own());
                }
                Ok(drained)
            }
            Err(violation) => {
                self.refuse(violation);
                Err(violation)
            }
        }
    }
}
