//! What stays of a sequence when it ends: today nothing.
//!
//! A prefix may be reused only within the cache domain of its session (decision D11), and a job
//! does not name one yet; so no cell outlives its request, and `cached_tokens` is 0, which is true.
//! Forgetting makes cells unreachable at once; only a wipe clears their bytes.

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
