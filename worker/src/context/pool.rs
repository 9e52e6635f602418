//! Places in the unified KV cache: one sequence id for whoever runs, and some for whoever paused.
//!
//! Cells are counted and not set aside: a request may never use all the tokens that it is allowed,
//! and setting them aside would make others wait for nothing. Who does not fit after all gives way
//! (`engine::inference::room`).

#[cfg(test)]
mod tests;

/// Sequences beyond the slots that may keep their cells while they pause. Each costs the engine a
/// little in every step, and more than a few pauses at once mean that the slots are too few.
const KEPT_MAX: u32 = 8;

/// Sequence ids that llama.cpp can tell apart (`LLAMA_MAX_SEQ`).
const SEQUENCES_MAX: u32 = 256;

/// Sequence ids for `slots` running sequences and those that pause.
pub(crate) fn sequences(slots: u32) -> u32 {
    (slots + KEPT_MAX).min(SEQUENCES_MAX)
}

/// A place for one sequence: its id in the KV cache.
///
/// No copy of it exists, so it is given back once.
#[derive(Debug)]
pub(crate) struct Slot(i32);

impl Slot {
    /// The sequence id that the engine knows it by.
    pub(crate) fn id(&self) -> i32 {
        self.0
    }
}

/// Slots that nobody holds.
#[derive(Debug)]
pub(crate) struct Pool {
    free: Vec<i32>,
    count: usize,
}

impl Pool {
    /// A pool of `count` sequences, all free.
    pub(crate) fn new(count: u32) -> Self {
        // Taken from the end, so that ids start at 0 and few are in use: the engine looks at all
        // ids up to the highest.
        let free: Vec<i32> = (0..i32::try_from(count).unwrap_or(i32::MAX)).rev().collect();
        Self { count: free.len(), free }
    }

    /// Takes a slot, or answers `None` until others are given back.
    pub(crate) fn take(&mut self) -> Option<Slot> {
        self.free.pop().map(Slot)
    }

    /// Takes a slot back; the engine has forgotten its sequence before.
    pub(crate) fn give(&mut self, slot: Slot) {
        self.free.push(slot.0);
        debug_assert!(
            self.free.len() <= self.count,
            "a slot exists once, so no more can come back than was there"
        );
    }
}
