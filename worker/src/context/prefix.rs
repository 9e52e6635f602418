//! What stays of a sequence when it ends: nothing.
//!
//! A prefix may be reused only within the cache domain of its session (decision D11), and a job
//! does not name one yet; so but for a pause, and for several answers to one prompt, no cell
//! outlives its request. Forgetting makes cells unreachable at once; only a wipe clears their
//! bytes.

use crate::{context::pool::Slot, fault::Fault, llama::context::Context};

/// Whether bytes of ended sequences may still lie in the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Residue {
    /// All bytes are zero.
    #[default]
    None,
    /// Somebody's keys and values may lie there.
    Some,
}

/// Frees the cells of a sequence that ended.
///
/// # Errors
/// [`Fault::Residue`]: the engine kept it, so the next sequence in this slot would see it.
pub(crate) fn forget(context: &mut Context<'_>, slot: &Slot) -> Result<(), Fault> {
    context.remove(slot.id(), 0).map_err(|_| Fault::Residue)
}

/// Clears every cell, bytes included; only while no sequence lives.
pub(crate) fn wipe(context: &mut Context<'_>) {
    context.clear();
}

/// Lets the sequence in `slot` see the first `count` cells of the sequence `from`.
///
/// # Errors
/// [`Fault::Residue`]: a number that the engine does not take.
pub(crate) fn share(
    context: &mut Context<'_>,
    from: i32,
    slot: &Slot,
    count: u32,
) -> Result<(), Fault> {
    context.copy(from, slot.id(), count).map_err(|_| Fault::Residue)
}
