//! Tokens to the broker.

use std::time::{Duration, Instant};

use super::Eventfd;
use crate::futex;
use crate::layout::{Control, Layout};
use crate::memory::{Own, Peer};
use crate::primitive::{Hardware, Poke};
use crate::ring::{Producer, PushError, Room};

/// Writes tokens and the heartbeat into W.
#[derive(Debug)]
pub struct TokenSender {
    ring: Producer<Own, Peer, Hardware>,
    bell: Eventfd,
    beats: u64,
}

impl TokenSender {
    pub(super) fn new(own: Own, peer: Peer, layout: &Layout, bell: Eventfd) -> Self {
        Self { ring: Producer::new(own, peer, layout.tokens()), bell, beats: 0 }
    }

    /// Writes one record; the broker sees it after [`Self::publish`].
    ///
    /// # Errors
    /// [`PushError::Full`] until the broker has read enough, [`PushError::TooLarge`] over an eighth
    /// of the ring, [`PushError::Kind`] for a kind outside the layout.
    pub fn push(&mut self, kind: u8, payload: &[u8]) -> Result<(), PushError> {
        self.ring.push(kind, payload)
    }

    /// Shows the broker everything pushed so far and rings only if it sleeps.
    pub fn publish(&mut self) {
        let bell = self.ring.publish();
        self.bell.settle(bell);
    }

    /// Like [`Self::push`], but publishes and sleeps while the ring is full, for `timeout` at most.
    ///
    /// # Errors
    /// As [`Self::push`]; [`PushError::Full`] means that the broker made no room in time, and
    /// [`PushError::Wait`] that futex(2) failed.
    pub fn push_wait_space(
        &mut self,
        kind: u8,
        payload: &[u8],
        timeout: Duration,
    ) -> Result<(), PushError> {
        let began = Instant::now();
        loop {
            // Read before the attempt: room made after it rings the bell.
            let seen = futex::value(self.ring.peer());
            let full = match self.ring.push(kind, payload) {
                Err(full @ PushError::Full { .. }) => full,
                other => return other,
            };
            let left = timeout.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(full);
            }
            self.publish();
            self.sleep_until_space(full, seen, left)?;
        }
    }

    /// Tells the broker that the worker is alive; one store.
    pub fn beat(&mut self) {
        self.beats = self.beats.wrapping_add(1);
        self.ring.own().set(Control::Pulse, self.beats);
    }

    /// A hand that writes whatever it likes.
    #[cfg(feature = "forge")]
    pub fn forger(&self) -> super::Forger {
        super::Forger::new(self.ring.own().clone(), self.bell.clone())
    }

    fn sleep_until_space(
        &mut self,
        full: PushError,
        seen: u32,
        left: Duration,
    ) -> Result<(), PushError> {
        let PushError::Full { needed, .. } = full else {
            return Ok(());
        };
        if self.ring.arm_space(needed)? == Room::Now {
            return Ok(());
        }
        let slept = futex::wait(self.ring.peer(), seen, left);
        self.ring.disarm_space();
        slept.map_err(|errno| PushError::Wait(errno as i32))
    }
}
