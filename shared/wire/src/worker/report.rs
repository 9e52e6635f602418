//! What a worker says of itself while it boots. Claims only: the broker looks for itself.

use serde::{Deserialize, Serialize};

use super::{BadRecord, at_most, text_fits};
use crate::limits::{CLAIMS_MAX, CONTEXT_TOKENS_MAX, SLOTS_MAX, VOCABULARY_MAX};

/// Everything but the filters is in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locked {
    /// One entry for each protection that was applied or is missing.
    pub claims: Vec<Claim>,
}

/// What a worker says of one protection: the code of policy's `Row`, a place in a table and an
/// outcome. Two bytes, so that a hostile worker has no text to put into an audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim(pub u16);

impl Locked {
    pub(super) fn check(&self) -> Result<(), BadRecord> {
        at_most("claims", self.claims.len(), CLAIMS_MAX)
    }
}

/// The model is loaded, warmed up, and both filters are in place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ready {
    /// What the file said.
    pub facts: ModelFacts,
    /// Protections applied since LOCKED.
    pub claims: Vec<Claim>,
    /// Threads of the process.
    pub threads: u32,
    /// Microseconds from exec to LOCKED.
    pub locked_us: u64,
    /// Microseconds from GO to READY.
    pub load_us: u64,
}

/// What a worker read in a model file: data of a hostile process, shown and compared, never obeyed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// `general.architecture`.
    pub architecture: String,
    /// Cells of the KV cache that were allocated; 0 for a vocabulary alone.
    pub n_ctx: u32,
    /// Context it was trained for.
    pub n_ctx_train: u32,
    /// Ids in the vocabulary.
    pub n_vocab: u32,
    /// Width of an embedding.
    pub n_embd: u32,
    /// Parameters.
    pub n_params: u64,
    /// Sequences that are served at once.
    pub slots: u32,
    /// Whether the file holds a chat template.
    pub chat_template: bool,
}

impl Ready {
    pub(super) fn check(&self) -> Result<(), BadRecord> {
        let facts = &self.facts;
        at_most("claims", self.claims.len(), CLAIMS_MAX)?;
        text_fits("architecture", &facts.architecture)?;
        at_most("n_ctx", facts.n_ctx as usize, CONTEXT_TOKENS_MAX as usize)?;
        at_most("n_vocab", facts.n_vocab as usize, VOCABULARY_MAX as usize)?;
        at_most("slots", facts.slots as usize, SLOTS_MAX as usize)
    }
}

/// The model cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// What went wrong.
    pub cause: FailedCause,
    /// A sentence of ours about it, without anything of the file's content.
    pub message: String,
}

/// What went wrong before READY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailedCause {
    /// A protection could not be applied.
    Lockdown,
    /// The CPU variant could not be loaded.
    Variant,
    /// The file is no model that the engine can load.
    Model,
    /// There was not enough memory.
    Memory,
}
