//! Slots and cells of the unified KV cache, reserved before a sequence starts.
//!
//! The cache is one pool of cells for all sequences. Whoever starts has all the cells that it can
//! ever need set aside, so a sequence that runs is never cut short by one that came later.

#[cfg(test)]
mod tests;

/// A place for one sequence: its id in the KV cache, and the cells that are set aside for it.
///
/// No copy of it exists, so cells are given back once.
#[derive(Debug)]
pub(crate) struct Slot {
    id: i32,
    cells: u32,
}

impl Slot {
    /// The sequence id that the engine knows it by.
    pub(crate) fn id(&self) -> i32 {
        self.id
    }
}

/// Slots and cells that nobody holds.
#[derive(Debug)]
pub(crate) struct Pool {
    free: Vec<i32>,
    slots: usize,
    cells: u32,
    cells_free: u32,
}

impl Pool {
    /// A pool of `slots` sequences and `cells` cells, all free.
    pub(crate) fn new(slots: u32, cells: u32) -> Self {
        // Taken from the end, so that ids start at 0 and few are in use: the engine looks at all
        // ids up to the highest.
        let free: Vec<i32> = (0..i32::try_from(slots).unwrap_or(i32::MAX)).rev().collect();
        Self { slots: free.len(), free, cells, cells_free: cells }
    }

    /// Sets a slot and `cells` cells aside, or answers `None` until others end.
    pub(crate) fn take(&mut self, cells: u32) -> Option<Slot> {
        if cells > self.cells_free {
            return None;
        }
        let id = self.free.pop()?;
        self.cells_free -= cells;
        Some(Slot { id, cells })
    }

    /// Takes a slot back; the engine has forgotten its sequence before.
    pub(crate) fn give(&mut self, slot: Slot) {
        self.cells_free += slot.cells;
        self.free.push(slot.id);
        debug_assert!(
            self.cells_free <= self.cells && self.free.len() <= self.slots,
            "a slot exists once, so no more can come back than was there"
        );
    }
}
