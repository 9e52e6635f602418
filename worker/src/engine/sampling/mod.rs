//! How the next token is chosen from the logits.
//!
//! The order is that of `client::Params`: grammar, logit bias, penalties, DRY, top-n-sigma, top-k,
//! typical, top-p, min-p, XTC, temperature, draw. Filters are llama.cpp's; whatever needs a random
//! number is ours (decision D10). At temperature 0 everything up to DRY applies, and then the
//! likeliest is taken.

mod candidates;
mod chain;
mod draw;
mod logprobs;
mod tools;

#[cfg(test)]
pub(crate) mod tests;

use core_wire::{
    client::params::Xtc,
    code::{Code, Refusal},
    worker::Sampling,
};
use llama_cpp_2::{sampling::LlamaSampler, token::LlamaToken};
use thiserror::Error;

pub(crate) use self::{candidates::Candidates, logprobs::Logprobs, tools::Tools};
use crate::engine::grammar::{Constraint, Failed, Standing};

/// Below it the likeliest token is taken: a difference of a thousandth between two logits is then a
/// factor of e^1000, and dividing by much less would leave the range of a float.
const TEMPERATURE_MIN: f32 = 1e-6;

/// No token can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum NoChoice {
    /// The model computed something that is no number.
    #[error("the logits hold a value that is no number, or allow no token at all")]
    Logits,
    /// The grammar came to an end that is none.
    #[error(transparent)]
    Grammar(#[from] Failed),
}

impl NoChoice {
    /// What the client is told.
    pub(crate) fn refusal(self) -> Refusal {
        let code = match self {
            Self::Logits => Code::Internal,
            Self::Grammar(_) => Code::GrammarFailed,
        };
        Refusal::new(code, self.to_string())
    }
}

/// A chosen token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Picked {
    /// Its id.
    pub(crate) token: LlamaToken,
    /// Where the grammar stands after it; a request without one is always open.
    pub(crate) standing: Standing,
    /// Its probability, where asked for.
    pub(crate) logprobs: Option<Logprobs>,
}

/// How one request's tokens are chosen. The default takes the likeliest, always.
#[derive(Default)]
pub(crate) struct Sampler {
    constraint: Option<Constraint>,
    bias: Vec<(LlamaToken, f32)>,
    /// Penalties and DRY, which know the tokens before.
    penalties: Option<LlamaSampler>,
    /// Absent at temperature 0.
    draws: Option<Draws>,
    logprobs: Option<usize>,
}

/// What a temperature above 0 needs.
struct Draws {
    sigma: Option<LlamaSampler>,
    /// Whether candidates without a share would spoil a filter.
    shareless: Shareless,
    filters: LlamaSampler,
    xtc: Option<Xtc>,
    temperature: LlamaSampler,
    seed: u64,
}

/// What becomes of candidates whose share is nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shareless {
    Stay,
    Go,
}

impl Sampler {
    /// What `sampling` asks for; its ranges were checked by the broker. `history` is the prompt and
    /// then the tokens that the request has got already, `emitted` in number: penalties and grammar
    /// stand where they stood when the last of them was chosen.
    ///
    /// # Errors
    /// `BAD_TOKEN` for a bias outside the vocabulary, `BAD_PARAMETER` for a DRY breaker with a NUL
    /// byte, `BAD_GRAMMAR` for a grammar that does not compile, `GRAMMAR_FAILED` where it does not
    /// allow what was emitted.
    pub(crate) fn new(
        sampling: &Sampling,
        tools: &Tools<'_>,
        history: &[LlamaToken],
        emitted: usize,
    ) -> Result<Self, Refusal> {
        let mut penalties = chain::penalties(sampling, tools.model)?;
        if let Some(penalties) = &mut penalties {
            penalties.accept_many(tail(history, sampling));
        }
        let constraint = sampling.grammar.as_ref();
        let mut constraint = constraint.map(|g| tools.grammars.compile(g)).transpose()?;
        if let Some(constraint) = &mut constraint {
            let emitted = &history[history.len().saturating_sub(emitted)..];
            let replayed = emitted.iter().try_for_each(|&t| constraint.accept(t).map(|_| ()));
            replayed.map_err(|failed| NoChoice::from(failed).refusal())?;
        }
        Ok(Self {
            constraint,
            bias: tools.biases(&sampling.logit_bias)?,
            penalties,
            draws: Draws::new(sampling),
            logprobs: sampling.logprobs.map(|count| count as usize),
        })
    }

    /// Chooses the token at `position` of the sequence, counted from the prompt's first, and takes
    /// it in.
    ///
    /// # Errors
    /// [`NoChoice`]; never is a token chosen that the grammar does not allow.
    pub(crate) fn choose(
        &mut self,
        logits: &[f32],
        position: u32,
        candidates: &mut Candidates,
    ) -> Result<Picked, NoChoice> {
        let likeliest = argmax(logits)?;
        let token = if self.is_plain() {
            likeliest
        } else {
            self.shape(logits, candidates)?;
            match &mut self.draws {
                None => candidates.likeliest()?,
                Some(draws) => draws.draw(position, candidates)?,
            }
        };
        if let Some(penalties) = &mut self.penalties {
            penalties.accept(token);
        }
        let standing = match &mut self.constraint {
            None => Standing::Open,
            Some(constraint) => constraint.accept(token)?,
        };
        let logprobs = self.logprobs.map(|count| logprobs::logprobs(logits, token, count));
        Ok(Picked { token, standing, logprobs })
    }

    /// Whether the likeliest token is the answer: then no candidate is looked at twice.
    fn is_plain(&self) -> bool {
        self.constraint.is_none()
            && self.bias.is_empty()
            && self.penalties.is_none()
            && self.draws.is_none()
    }

    /// Grammar, bias, penalties and DRY.
    fn shape(&mut self, logits: &[f32], candidates: &mut Candidates) -> Result<(), NoChoice> {
        let mask = self.constraint.as_mut().map(Constraint::mask).transpose()?;
        candidates.fill(logits, mask.as_ref());
        if candidates.is_empty() {
            return Err(if mask.is_some() { Failed::Stuck.into() } else { NoChoice::Logits });
        }
        candidates.add(&self.bias);
        if let Some(penalties) = &mut self.penalties {
            candidates.penalize(penalties);
        }
        Ok(())
    }
}

impl Draws {
    fn new(sampling: &Sampling) -> Option<Self> {
        if sampling.temperature < TEMPERATURE_MIN {
            return None;
        }
        let sigma = chain::sigma(sampling);
        let spoiled = sigma.is_some() || sampling.filters.typical_p < 1.0;
        let xtc = sampling.filters.xtc;
        Some(Self {
            sigma,
            shareless: if spoiled { Shareless::Go } else { Shareless::Stay },
            filters: chain::filters(sampling),
            xtc: (xtc.probability > 0.0).then_some(xtc),
            temperature: LlamaSampler::temp(sampling.temperature),
            seed: sampling.seed,
        })
    }

    fn draw(&mut self, position: u32, left: &mut Candidates) -> Result<LlamaToken, NoChoice> {
        if let Some(sigma) = &mut self.sigma {
            left.filter(sigma);
        }
        if self.shareless == Shareless::Go {
            left.drop_shareless();
        }
        left.filter(&mut self.filters);
        if let Some(xtc) = &self.xtc {
            left.exclude_top(xtc, draw::uniform(self.seed, position, draw::FOR_XTC));
        }
        left.filter(&mut self.temperature);
        left.pick(draw::uniform(self.seed, position, draw::FOR_TOKEN))
    }
}

/// The end of `history` that penalties can see.
fn tail<'h>(history: &'h [LlamaToken], sampling: &Sampling) -> &'h [LlamaToken] {
    let seen = sampling.penalties.last_n.max(sampling.penalties.dry.last_n) as usize;
    &history[history.len().saturating_sub(seen)..]
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
        _ => Err(NoChoice::Logits),
    }
}
