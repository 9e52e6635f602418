//! What the engine does for the cache, and what it cannot undo.
//!
//! Forgetting makes cells unreachable at once; only a wipe clears their bytes, and a wipe is all or
//! nothing. So the bytes of a domain that was forgotten lie there, without a sequence that leads to
//! them, until others are written over them or nobody has any cell.

use crate::{context::cache::Act, fault::Fault, llama::context::Context};

/// Whether bytes of ended sequences may still lie in the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Residue {
    /// All bytes are zero.
    #[default]
    None,
    /// Somebody's keys and values may lie there.
    Some,
}

/// Does what the cache asks for.
///
/// # Errors
/// [`Fault::Residue`]: the engine kept cells, so the next sequence there would see them.
pub(crate) fn perform(context: &mut Context<'_>, acts: Vec<Act>) -> Result<(), Fault> {
    for act in acts {
        let done = match act {
            Act::Cut { slot, from } => context.remove(slot, from),
            Act::Share { from, to, count } => context.copy(from, to, count),
        };
        done.map_err(|_| Fault::Residue)?;
    }
    Ok(())
}

/// Clears every cell, bytes included; only while no sequence lives.
pub(crate) fn wipe(context: &mut Context<'_>) {
    context.clear();
}
