//! What may be told of a token's probability.

use core_wire::worker::StepToken;

use super::{Breach, at_most};

/// The largest log probability. Exactly it is 0; the sum of a vocabulary's exponentials may be
/// rounded below its largest, by some thousand units in the last place of an `f32` at most.
const LOGPROB_MAX: f32 = 1e-3;

/// Checks what is told of a token's probability: what was asked for and no more, ids that there
/// are, and nothing that is no logarithm of a probability.
pub(super) fn probable(token: &StepToken, asked: Option<u32>, n_vocab: u32) -> Result<(), Breach> {
    if token.logprob.is_some() != asked.is_some() {
        // guard
        return Err(Breach::Job { what: "log probabilities otherwise than asked", job: token.job });
    }
    at_most("the number of alternatives", token.top.len() as u64, asked.unwrap_or(0))?; // guard
    for &(id, _) in &token.top {
        at_most("an alternative", id, n_vocab.saturating_sub(1))?; // guard
    }
    let mut told = token.top.iter().map(|&(_, value)| value).chain(token.logprob);
    if told.all(|value| value <= LOGPROB_MAX) {
        Ok(())
    } else {
        Err(Breach::Job { what: "a probability above 1", job: token.job })
    }
}
