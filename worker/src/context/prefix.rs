//! What stays of a sequence when it ends: nothing.
//!
//! A prefix may be reused only within the cache domain of its session (decision D11), and a job
//! does not name one yet; so but for a pause, and for several answers to one prompt, no cell
//! outlives its request. Forgetting makes cells unreachable at once; only a wipe clears their
//! bytes.

use llama_cpp_2::context::LlamaContext;

use crate::{context::pool::Slot, fault::Fault};

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
pub(crate) fn forget(context: &mut LlamaContext<'_>, slot: &Slot) -> Result<(), Fault> {
    context.kv_cache_seq_rm(slot.id(), None, None).map_err(|_| Fault::Residue)
}

/// Clears every cell, bytes included; only while no sequence lives.
pub(crate) fn wipe(context: &mut LlamaContext<'_>) {
    context.clear_kv_cache();
}

/// Lets the sequence in `slot` see the first `count` cells of the sequence `from`.
///
/// # Errors
/// [`Fault::Residue`]: a number that the engine does not take.
pub(crate) fn share(
    context: &mut LlamaContext<'_>,
    from: i32,
    slot: &Slot,
    count: u32,
) -> Result<(), Fault> {
    let copied = context.kv_cache_seq_cp(from, slot.id(), Some(0), Some(count));
    copied.map_err(|_| Fault::Residue)
}
