//! Lies about W, for the tests of its reader: the stores that a worker makes which was taken over.
//!
//! A worker may write every cell of W at any time, and nothing can keep it from that. What is here
//! are the same atomic stores of whole cells as everywhere else, only of values that no producer
//! would choose; they cannot harm the process that makes them.

use std::os::fd::{AsFd, BorrowedFd};

use super::Eventfd;
use crate::layout::Control;
use crate::memory::Own;
use crate::primitive::{Bell, Peek, Poke};

/// A cell of W.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forged {
    /// The end of what was produced, in bytes.
    Tail,
    /// How far the worker says that it has read B, in bytes.
    Head,
    /// Where the worker says that it sleeps.
    DataWake,
    /// What space the worker says that it waits for.
    SpaceWake,
    /// The heartbeat.
    Pulse,
    /// The data word at a byte position, taken modulo the ring.
    Data(u64),
}

/// A second writer of W; see the module.
#[derive(Clone, Debug)]
pub struct Forger {
    own: Own,
    bell: Eventfd,
}

impl Forger {
    pub(super) fn new(own: Own, bell: Eventfd) -> Self {
        Self { own, bell }
    }

    /// The end of what the broker may see, in bytes.
    #[must_use]
    pub fn tail(&self) -> u64 {
        self.own.control(Control::Tail)
    }

    /// Stores a value.
    pub fn set(&self, cell: Forged, value: u64) {
        let control = match cell {
            Forged::Tail => Control::Tail,
            Forged::Head => Control::Head,
            Forged::DataWake => Control::DataWake,
            Forged::SpaceWake => Control::SpaceWake,
            Forged::Pulse => Control::Pulse,
            Forged::Data(position) => return self.own.put(position, value),
        };
        // Released, so that a lie is seen with all that was stored before it.
        self.own.release(control, value);
    }

    /// Rings, whether the broker sleeps or not.
    pub fn ring(&self) {
        self.bell.settle(Bell::Due);
    }

    /// The bell itself.
    #[must_use]
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.0.as_fd()
    }
}
