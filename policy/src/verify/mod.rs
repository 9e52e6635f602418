//! Looking at a process from outside, by what the kernel says in /proc.
//!
//! The process may be dead, may be another one by now, or may be hostile; so every read is bounded,
//! an unreadable file is a row that does not hold, and nothing here fails or blocks. Text from a
//! worker never gets into a row.
//!
//! While a worker waits at LOCKED it is still dumpable, and its descriptors and namespaces can be
//! read ([`at_locked`]). At READY it is not, and what is left is its status, thread by thread, and
//! its limits ([`at_ready`]).

mod broker;
mod locked;
mod proc;
mod ready;
#[cfg(test)]
mod tests;

use std::os::fd::RawFd;

use crate::fds::{self, Kind};
use crate::profile::Profile;
use crate::seccomp;

pub use broker::self_broker;
pub use locked::at_locked;
pub use proc::Status;
pub use ready::at_ready;

/// What a worker must look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expect {
    /// How many model files the worker was given.
    pub models: usize,
    /// How many seccomp filters the broker itself has; [`Expect::worker`] reads it.
    pub broker_filters: u32,
    /// The data limit that the broker set from outside, in bytes, if it has set one.
    pub data_max: Option<u64>,
    /// The profile that it was given.
    pub profile: Profile,
}

impl Expect {
    /// Expectations of a worker that this process started.
    ///
    /// # Errors
    /// The error of reading /proc/self/status.
    pub fn worker(models: usize, data_max: Option<u64>, profile: Profile) -> std::io::Result<Self> {
        let broker_filters = Status::own()?.filters.unwrap_or(0);
        Ok(Self { models, broker_filters, data_max, profile })
    }

    /// Filters that each thread of the worker must have at READY.
    pub fn filters(&self) -> u32 {
        let own = u32::try_from(seccomp::worker_filters()).unwrap_or(u32::MAX);
        self.broker_filters.saturating_add(own)
    }

    fn table(&self) -> Vec<(RawFd, Kind)> {
        fds::at_locked(self.models)
    }
}
