//! Samplers of llama.cpp for what a request asks; none of them draws.

use core_wire::{
    client::params::{Dry, Penalties},
    code::{Code, Refusal},
    worker::Sampling,
};
use llama_cpp_2::{model::LlamaModel, sampling::LlamaSampler};

/// Candidates that the nucleus filters leave at least, as in llama.cpp's own tools.
const MIN_KEEP: usize = 1;

/// Bytes of a breaker that llama.cpp looks at; it would cut a longer one inside a character.
const BREAKER_BYTES_MAX: usize = 40;

/// Penalties and DRY, if any is on: what depends on the tokens before.
///
/// # Errors
/// `BAD_PARAMETER` for a breaker that holds a NUL byte.
pub(super) fn penalties(
    sampling: &Sampling,
    model: &LlamaModel,
) -> Result<Option<LlamaSampler>, Refusal> {
    let Penalties { last_n, repeat, frequency, presence, dry } = &sampling.penalties;
    let mut chain = Vec::new();
    if *last_n > 0 && (*repeat != 1.0 || *frequency != 0.0 || *presence != 0.0) {
        let (n_vocab, last_n) = (model.n_vocab(), number(*last_n));
        chain.push(LlamaSampler::penalties(n_vocab, last_n, *repeat, *frequency, *presence));
    }
    if dry.multiplier > 0.0 && dry.last_n > 0 {
        chain.push(dont_repeat(dry, model)?);
    }
    Ok((!chain.is_empty()).then(|| timeless(chain)))
}

fn dont_repeat(dry: &Dry, model: &LlamaModel) -> Result<LlamaSampler, Refusal> {
    if dry.breakers.iter().any(|breaker| breaker.contains('\0')) {
        let message = "a DRY breaker holds a NUL byte; all others are allowed";
        return Err(Refusal::new(Code::BadParameter, message));
    }
    let cut = |breaker: &String| {
        let ends = (0..=breaker.len().min(BREAKER_BYTES_MAX)).rev();
        let end = ends.into_iter().find(|&end| breaker.is_char_boundary(end));
        breaker[..end.unwrap_or(0)].to_owned()
    };
    Ok(LlamaSampler::dry(
        model,
        dry.multiplier,
        dry.base,
        number(dry.allowed_length),
        number(dry.last_n),
        dry.breakers.iter().map(cut),
    ))
}

/// top-n-sigma alone, if it is on: what comes after it must not see what it forbids.
pub(super) fn sigma(sampling: &Sampling) -> Option<LlamaSampler> {
    let sigma = sampling.filters.top_n_sigma;
    (sigma > 0.0).then(|| LlamaSampler::top_n_sigma(sigma))
}

/// top-k, typical, top-p and min-p, in llama.cpp's order.
pub(super) fn filters(sampling: &Sampling) -> LlamaSampler {
    timeless([
        LlamaSampler::top_k(number(sampling.top_k)),
        LlamaSampler::typical(sampling.filters.typical_p, MIN_KEEP),
        LlamaSampler::top_p(sampling.top_p, MIN_KEEP),
        LlamaSampler::min_p(sampling.min_p, MIN_KEEP),
    ])
}

/// Without llama.cpp's own timing: a clock call for each filter and token.
fn timeless(samplers: impl IntoIterator<Item = LlamaSampler>) -> LlamaSampler {
    LlamaSampler::chain(samplers, true)
}

fn number(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
