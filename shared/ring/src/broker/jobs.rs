//! Jobs to the worker.

use crate::futex;
use crate::layout::Layout;
use crate::memory::{Own, Peer};
use crate::primitive::{Bell, Hardware};
use crate::record::record_bytes;
use crate::ring::{Producer, PushError, Room};
use crate::violation::Violation;

/// Whether a record fits.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// It fits now.
    Now,
    /// The worker will ring: [`TokenReceiver`](crate::TokenReceiver)'s `readable` then returns.
    Later,
}

/// Writes jobs into B.
#[derive(Debug)]
pub struct JobSender {
    ring: Producer<Own, Peer, Hardware>,
}

impl JobSender {
    pub(super) fn new(own: Own, peer: Peer, layout: &Layout) -> Self {
        Self { ring: Producer::new(own, peer, layout.jobs()) }
    }

    /// Writes one record; the worker sees it after [`Self::publish`].
    ///
    /// # Errors
    /// [`PushError::Full`] until the worker has read enough, [`PushError::TooLarge`] over an eighth
    /// of the ring, [`PushError::Kind`] for a kind outside the layout, and
    /// [`PushError::Violation`] if the worker lied about its position: kill it.
    pub fn push(&mut self, kind: u8, payload: &[u8]) -> Result<(), PushError> {
        self.ring.push(kind, payload)
    }

    /// Shows the worker everything pushed so far and wakes it only if it sleeps.
    pub fn publish(&mut self) {
        if self.ring.publish() == Bell::Due {
            futex::ring(self.ring.own());
        }
    }

    /// Bytes that could be pushed now, eight of header per record included; 0 once poisoned.
    pub fn free_bytes(&mut self) -> usize {
        self.ring.free().map_or(0, |free| usize::try_from(free).unwrap_or(usize::MAX))
    }

    /// Publishes, then asks the worker to ring once a record of `payload_bytes` fits.
    ///
    /// # Errors
    /// The worker lied about its position.
    pub fn want_space(&mut self, payload_bytes: usize) -> Result<Space, Violation> {
        self.publish();
        Ok(match self.ring.arm_space(record_bytes(payload_bytes as u64))? {
            Room::Now => Space::Now,
            Room::Later => Space::Later,
        })
    }
}
