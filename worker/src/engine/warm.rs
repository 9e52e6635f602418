//! One step of every shape before the last filter: threads are made and pages are touched while
//! that is still allowed.
//!
//! After it all threads of OpenMP's team have gone through barriers of a whole graph, so none is
//! still starting: TSYNC onto a thread that starts would kill it at its first call (`rseq`).

use core_wire::worker::FailedCause;
use llama_cpp_2::token::LlamaToken;

use super::load::{NoModel, Plan, failed};
use crate::llama::{batch::Batch, context::Context};

/// Tokens of the prompt that is tried: more than one row of every kernel that works in tiles, and
/// few enough that the largest model answers in a second.
const PROMPT_TOKENS: u32 = 32;

/// Computes a prompt, one token, and one token for every slot; then clears the KV cache.
///
/// # Errors
/// [`NoModel::Failed`] where the engine cannot compute with this model.
pub(crate) fn warm_up(
    context: &mut Context<'_>,
    batch: &mut Batch,
    plan: &Plan,
    token: LlamaToken,
) -> Result<(), NoModel> {
    let prompt = PROMPT_TOKENS.min(plan.n_batch).min(plan.n_ctx);
    run(context, batch, token, (0..prompt).map(|position| (0, position)))?;
    run(context, batch, token, [(0, 0)])?;
    let slots = plan.slots.min(plan.n_ctx);
    run(context, batch, token, (0..slots).map(|slot| (slot, 0)))
}

/// Computes one batch of `token` at the given sequences and positions, in an empty cache.
fn run(
    context: &mut Context<'_>,
    batch: &mut Batch,
    token: LlamaToken,
    places: impl IntoIterator<Item = (u32, u32)>,
) -> Result<(), NoModel> {
    let broken = || failed(FailedCause::Model, "the engine cannot compute with this model");
    batch.clear();
    let mut places = places.into_iter().peekable();
    while let Some((slot, position)) = places.next() {
        let number = |n| i32::try_from(n).unwrap_or(i32::MAX);
        batch.add(token, number(position), number(slot)).map_err(|_| broken())?;
        // As when serving: the last token of each sequence.
        if places.peek().is_none_or(|(next, _)| *next != slot) {
            batch.want_output();
        }
    }
    context.decode(batch).map_err(|_| broken())?;
    context.synchronize();
    context.clear();
    Ok(())
}
