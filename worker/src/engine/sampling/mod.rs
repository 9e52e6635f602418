//! How the next token is chosen from the logits.

mod draw;

#[cfg(test)]
mod tests;

use core_wire::worker::Sampling;
use llama_cpp_2::{
    sampling::LlamaSampler,
    token::{LlamaToken, data::LlamaTokenData, data_array::LlamaTokenDataArray},
};
use thiserror::Error;

/// Candidates that the nucleus filters leave at least, as in llama.cpp's own tools.
const MIN_KEEP: usize = 1;

/// Below it the likeliest token is taken: a difference of a thousandth between two logits is then a
/// factor of e^1000, and dividing by much less would leave the range of a float.
const TEMPERATURE_MIN: f32 = 1e-6;

/// The logits name no token: the model computed something that is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the logits hold a value that is no number, or allow no token at all")]
pub(crate) struct NoChoice;

/// One buffer for the candidates of all sequences: a vocabulary's worth of entries.
pub(crate) struct Candidates(LlamaTokenDataArray);

impl Candidates {
    /// An empty buffer.
    pub(crate) fn new() -> Self {
        Self(LlamaTokenDataArray::new(Vec::new(), false))
    }

    fn fill(&mut self, logits: &[f32]) {
        self.0.sorted = false;
        self.0.selected = None;
        self.0.data.clear();
        let ids = (0..).map(LlamaToken::new);
        let entries = ids.zip(logits).map(|(id, &l)| LlamaTokenData::new(id, l, 0.0));
        self.0.data.extend(entries);
    }
}

/// How one request's tokens are chosen.
pub(crate) enum Sampler {
    /// The likeliest, always.
    Greedy,
    /// Filters of llama.cpp, then a draw of our own.
    Drawn {
        /// top-k, top-p, min-p, temperature, in llama.cpp's order.
        filters: LlamaSampler,
        /// The request's seed.
        seed: u64,
    },
}

impl Sampler {
    /// What `sampling` asks for; its ranges were checked by the broker.
    pub(crate) fn new(sampling: &Sampling) -> Self {
        if sampling.temperature < TEMPERATURE_MIN {
            return Self::Greedy;
        }
        let top_k = i32::try_from(sampling.top_k).unwrap_or(i32::MAX);
        let filters = [
            LlamaSampler::top_k(top_k),
            LlamaSampler::top_p(sampling.top_p, MIN_KEEP),
            LlamaSampler::min_p(sampling.min_p, MIN_KEEP),
            LlamaSampler::temp(sampling.temperature),
        ];
        Self::Drawn {
            // Without llama.cpp's own timing: a clock call for each filter and token.
            filters: LlamaSampler::chain(filters, true),
            seed: sampling.seed,
        }
    }

    /// The token at `position` of the sequence, counted from the prompt's first.
    ///
    /// # Errors
    /// [`NoChoice`].
    pub(crate) fn choose(
        &mut self,
        logits: &[f32],
        position: u32,
        candidates: &mut Candidates,
    ) -> Result<LlamaToken, NoChoice> {
        let likeliest = argmax(logits)?;
        match self {
            Self::Greedy => Ok(likeliest),
            Self::Drawn { filters, seed } => {
                candidates.fill(logits);
                candidates.0.apply_sampler(filters);
                pick(&candidates.0.data, draw::uniform(*seed, position))
            }
        }
    }
}

/// The highest logit's token, the lowest id where several are equal, as llama.cpp's greedy sampler.
fn argmax(logits: &[f32]) -> Result<LlamaToken, NoChoice> {
    let mut best = f32::NEG_INFINITY;
    let mut found = None;
    let mut broken = false;
    for (id, &logit) in (0..).zip(logits) {
        // Minus infinity is how a token is forbidden; the others have no place in a softmax.
        broken |= logit.is_nan() || logit == f32::INFINITY;
        if logit > best {
            best = logit;
            found = Some(LlamaToken::new(id));
        }
    }
    match found {
        Some(token) if !broken => Ok(token),
        _ => Err(NoChoice),
    }
}

/// The candidate in whose share of the probability `u` falls.
fn pick(candidates: &[LlamaTokenData], u: f64) -> Result<LlamaToken, NoChoice> {
    let logits = candidates.iter().map(|c| f64::from(c.logit()));
    let highest = logits.fold(f64::NEG_INFINITY, f64::max);
    let weight = |c: &LlamaTokenData| (f64::from(c.logit()) - highest).exp();
    let total: f64 = candidates.iter().map(weight).sum();
    if !total.is_finite() {
        return Err(NoChoice);
    }
    let mut left = u * total;
    let mut last = Err(NoChoice);
    for candidate in candidates {
        let share = weight(candidate);
        if share > 0.0 {
            last = Ok(candidate.id());
        }
        left -= share;
        if left < 0.0 {
            return last;
        }
    }
    // Rounding may leave a crumb: then it is the last that has any probability.
    last
}
