//! What shapes the choice of a token beyond temperature, top-k, top-p and min-p.

use serde::{Deserialize, Serialize};

/// Filters that are off by default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Filters {
    /// Keeps the tokens nearest to the expected surprise that reach this probability together,
    /// above 0 to 1; 1 keeps all.
    pub typical_p: f32,
    /// Keeps the tokens whose logits are within so many standard deviations of the highest, 0 to
    /// [`crate::limits::TOP_N_SIGMA_MAX`]; 0 keeps all.
    pub top_n_sigma: f32,
    /// Leaves out the likeliest tokens now and then.
    pub xtc: Xtc,
}

/// Exclude top choices: with `probability`, all tokens at or above `threshold` but the least
/// likely of them are left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Xtc {
    /// How often, 0 to 1; 0 is never.
    pub probability: f32,
    /// What counts as likely, 0 to 1; above 0.5 nothing can be left out.
    pub threshold: f32,
}

/// What makes repetitions less likely; off by default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Penalties {
    /// Looks so many tokens back, prompt included, 0 to [`crate::limits::PENALTY_LAST_N_MAX`].
    pub last_n: u32,
    /// Divides the logit of a token that occurred, above 0 to
    /// [`crate::limits::REPEAT_PENALTY_MAX`]; 1 is off.
    pub repeat: f32,
    /// Subtracted for each occurrence, up to [`crate::limits::COUNT_PENALTY_MAX`] either way.
    pub frequency: f32,
    /// Subtracted for any occurrence, up to [`crate::limits::COUNT_PENALTY_MAX`] either way.
    pub presence: f32,
    /// Against repeating sequences of tokens.
    pub dry: Dry,
}

/// Don't repeat yourself: a token that would continue a repeated sequence loses
/// `multiplier * base ^ (length - allowed_length)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dry {
    /// 0 is off; up to [`crate::limits::DRY_MULTIPLIER_MAX`].
    pub multiplier: f32,
    /// 1 to [`crate::limits::DRY_BASE_MAX`].
    pub base: f32,
    /// Sequences up to so many tokens may repeat, 1 to [`crate::limits::PENALTY_LAST_N_MAX`].
    pub allowed_length: u32,
    /// Looks so many tokens back, up to [`crate::limits::PENALTY_LAST_N_MAX`]; 0 is off.
    pub last_n: u32,
    /// Texts that interrupt a sequence, at most [`crate::limits::DRY_BREAKERS_MAX`].
    pub breakers: Vec<String>,
}

/// What an answer has to be.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grammar {
    /// A JSON value that this schema allows; the schema is JSON itself.
    JsonSchema(String),
    /// A text that this regular expression matches as a whole.
    Regex(String),
    /// A text of this grammar, in the Lark dialect of llguidance.
    Lark(String),
    /// A text of this grammar in the notation of llama.cpp; translated, or refused.
    Gbnf(String),
}

impl Grammar {
    /// The grammar's own text.
    pub fn source(&self) -> &str {
        match self {
            Self::JsonSchema(source)
            | Self::Regex(source)
            | Self::Lark(source)
            | Self::Gbnf(source) => source,
        }
    }
}

// A schema may hold what somebody asks for: its debug form tells its kind and size only.
impl std::fmt::Debug for Grammar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self {
            Self::JsonSchema(_) => "JsonSchema",
            Self::Regex(_) => "Regex",
            Self::Lark(_) => "Lark",
            Self::Gbnf(_) => "Gbnf",
        };
        write!(f, "{kind}({} bytes)", self.source().len())
    }
}

impl Default for Filters {
    fn default() -> Self {
        Self { typical_p: 1.0, top_n_sigma: 0.0, xtc: Xtc::default() }
    }
}

impl Default for Xtc {
    fn default() -> Self {
        Self { probability: 0.0, threshold: 0.1 }
    }
}

impl Default for Penalties {
    fn default() -> Self {
        Self { last_n: 64, repeat: 1.0, frequency: 0.0, presence: 0.0, dry: Dry::default() }
    }
}

impl Default for Dry {
    fn default() -> Self {
        let breakers = ["\n", ":", "\"", "*"].map(str::to_owned).to_vec();
        Self { multiplier: 0.0, base: 1.75, allowed_length: 2, last_n: 1024, breakers }
    }
}
