//! Sequences that pause with their cells, so that going on costs one token and not the prompt.
//!
//! Only the job that the broker names gets them back, and the broker names none but the same
//! request's. Whoever runs comes first: what is kept is dropped as soon as cells are wanted, the
//! oldest first, and altogether once nobody runs.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use core_wire::ids::JobId;

use super::pool::Slot;

/// A sequence that pauses.
#[derive(Debug)]
pub(crate) struct Paused {
    /// The job that it was.
    pub(crate) job: JobId,
    /// Its place.
    pub(crate) slot: Slot,
    /// Its tokens that are in the KV cache.
    pub(crate) cells: u32,
}

/// All that pause, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Kept(VecDeque<Paused>);

impl Kept {
    /// Adds one.
    pub(crate) fn push(&mut self, paused: Paused) {
        self.0.push_back(paused);
    }

    /// Takes out the one that was `job`.
    pub(crate) fn take(&mut self, job: JobId) -> Option<Paused> {
        let at = self.0.iter().position(|paused| paused.job == job)?;
        self.0.remove(at)
    }

    /// Takes out the oldest.
    pub(crate) fn oldest(&mut self) -> Option<Paused> {
        self.0.pop_front()
    }

    /// Cells that all of them hold.
    pub(crate) fn cells(&self) -> u32 {
        self.0.iter().map(|paused| paused.cells).sum()
    }

    /// Whether none is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
