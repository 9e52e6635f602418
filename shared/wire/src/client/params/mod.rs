//! How tokens are chosen, and the ranges of what may be asked for.

mod check;
mod shaping;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub(super) use self::check::bad;
pub use self::shaping::{Dry, Filters, Grammar, Penalties, Xtc};
use crate::code::Refusal;

/// Which queue a request waits in.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Somebody is looking at the screen.
    Interactive,
    /// The default.
    #[default]
    Normal,
    /// May wait for everybody else.
    Batch,
}

/// Whether a request may start from what its session has computed, and leaves something to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cache {
    /// The session's own contexts, and what Control published; wiped when the session ends.
    #[default]
    Session,
    /// Nothing: it is computed from its first token, and nothing of it is kept.
    Off,
}

/// How tokens are chosen and when to stop. The defaults are those of llama.cpp.
///
/// The order is that of llama.cpp too: grammar, logit bias, penalties, DRY, top-n-sigma, top-k,
/// typical, top-p, min-p, XTC, temperature, draw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Params {
    /// At most so many tokens, 1 to [`crate::limits::MAX_TOKENS_MAX`].
    pub max_tokens: u32,
    /// 0 takes the likeliest token always; up to [`crate::limits::TEMPERATURE_MAX`].
    pub temperature: f32,
    /// Keeps the k likeliest tokens; 0 keeps all.
    pub top_k: u32,
    /// Keeps the likeliest tokens that reach this probability together, above 0 to 1.
    pub top_p: f32,
    /// Drops tokens less likely than this share of the likeliest, 0 to 1.
    pub min_p: f32,
    /// The same seed gives the same draws (decision D10); without one the broker chooses. The
    /// completion with index i of several uses the seed plus i.
    pub seed: Option<u64>,
    /// Ends before any of these texts would be shown.
    pub stop: Vec<String>,
    /// Goes on after an end-of-generation token as after any other.
    pub ignore_eos: bool,
    /// Which queue to wait in.
    pub priority: Priority,
    /// Gives up after so many milliseconds, 1 to [`crate::limits::DEADLINE_MS_MAX`].
    pub deadline_ms: Option<u32>,
    /// Further filters, all off by default.
    pub filters: Filters,
    /// What makes repetitions less likely, all off by default.
    pub penalties: Penalties,
    /// Added to the logits of these tokens: at most [`crate::limits::LOGIT_BIAS_MAX`] of the
    /// vocabulary's ids, each up to [`crate::limits::LOGIT_BIAS_RANGE`] either way.
    pub logit_bias: Vec<(u32, f32)>,
    /// Tells each token's probability, and those of so many alternatives, 0 to
    /// [`crate::limits::LOGPROBS_MAX`]. It is the model's own: natural logarithms of the softmax of
    /// the raw logits, before grammar, bias, penalties, filters and temperature.
    pub logprobs: Option<u32>,
    /// What the answer has to be.
    pub grammar: Option<Grammar>,
    /// Completions of the prompt, 1 to [`crate::limits::CHOICES_MAX`]; each ends in a `Choice`.
    pub n: u32,
    /// Whether computed prefixes are used and kept.
    pub cache: Cache,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            max_tokens: 256,
            temperature: 0.8,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            seed: None,
            stop: Vec::new(),
            ignore_eos: false,
            priority: Priority::Normal,
            deadline_ms: None,
            filters: Filters::default(),
            penalties: Penalties::default(),
            logit_bias: Vec::new(),
            logprobs: None,
            grammar: None,
            n: 1,
            cache: Cache::Session,
        }
    }
}

impl Params {
    /// Checks every range; a NaN or an infinity is in none.
    ///
    /// # Errors
    /// `BAD_PARAMETER`, naming the parameter, its value and its range; `BAD_GRAMMAR` for a grammar
    /// that is empty or too long.
    pub fn check(&self) -> Result<(), Refusal> {
        check::params(self)
    }
}
