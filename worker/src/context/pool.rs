//! Places in the unified KV cache: one sequence id for whoever runs, and some for what is kept.
//!
//! Cells are counted and not set aside: a request may never use all the tokens that it is allowed,
//! and setting them aside would make others wait for nothing. Who does not fit after all gives way
//! (`engine::inference::room`).

#[cfg(test)]
mod tests;

/// Sequences beyond the slots that may keep their cells: 16 published prefixes and 8 talks. Behind
/// an id stands no memory where a cache is unified and whole.
const KEPT_MAX: u32 = 24;

/// The same where a cache has a window, which is set aside for each sequence once more.
const KEPT_WINDOWS_MAX: u32 = 8;

/// Sequence ids that llama.cpp can tell apart (`LLAMA_MAX_SEQ`).
const SEQUENCES_MAX: u32 = 256;

/// How much of what is kept another sequence may start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Any beginning of it, and it stays.
    Parts,
    /// All of it, and it moves on: the cache holds a state that moves on, or a window that slides.
    Whole,
}

/// Sequence ids for `slots` running sequences and what is kept.
pub(crate) fn sequences(slots: u32, sharing: Sharing) -> u32 {
    let kept = match sharing {
        Sharing::Parts => KEPT_MAX,
        Sharing::Whole => KEPT_WINDOWS_MAX,
    };
    (slots + kept).min(SEQUENCES_MAX)
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
