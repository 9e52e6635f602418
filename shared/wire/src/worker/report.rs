//! What a worker says of itself while it boots. Claims only: the broker looks for itself.

use serde::{Deserialize, Serialize};

use super::{BadRecord, at_most, text_fits};
use crate::limits::{CLAIMS_MAX, CONTEXT_TOKENS_MAX, DEVICES_MAX, SLOTS_MAX, VOCABULARY_MAX};

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
    /// Transformer layers.
    pub n_layer: u32,
    /// A digest of the texts of all tokens: models with the same one can continue each other's.
    pub vocabulary: u64,
}

impl Ready {
    pub(super) fn check(&self) -> Result<(), BadRecord> {
        at_most("claims", self.claims.len(), CLAIMS_MAX)?;
        self.facts.check()
    }
}

impl ModelFacts {
    fn check(&self) -> Result<(), BadRecord> {
        text_fits("architecture", &self.architecture)?;
        at_most("n_ctx", self.n_ctx as usize, CONTEXT_TOKENS_MAX as usize)?;
        at_most("n_vocab", self.n_vocab as usize, VOCABULARY_MAX as usize)?;
        at_most("slots", self.slots as usize, SLOTS_MAX as usize)
    }
}

/// What a model is and what a worker for it takes, from its metadata alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inspected {
    /// What the file said, with the context and the slots that would be served.
    pub facts: ModelFacts,
    /// What a worker would take.
    pub needs: Needs,
    /// GPUs that the back ends found, in the engine's order; only of who was given no file.
    pub devices: Vec<Device>,
}

/// What a worker takes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// Weights that are mapped from the file: page cache, shared by all workers of that file.
    pub mapped: u64,
    /// Weights and adapters that are read or repacked into private memory.
    pub private: u64,
    /// Keys and values, or a recurrent state, of all cells.
    pub context: u64,
    /// Buffers for computing and for logits.
    pub compute: u64,
    /// What the process has before it reads a model, and the vocabulary.
    pub base: u64,
    /// What of weights, context and compute lies on GPUs instead.
    pub device: u64,
}

impl Needs {
    /// Private memory of the worker; saturates, since a hostile worker may have said it.
    pub fn private_total(&self) -> u64 {
        let parts = [self.private, self.context, self.compute, self.base];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// All memory of the host that it takes, page cache included.
    pub fn host_total(&self) -> u64 {
        self.private_total().saturating_add(self.mapped)
    }
}

/// One GPU as a back end tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// What it is called.
    pub name: String,
    /// Bytes that are free.
    pub free_bytes: u64,
    /// Bytes that there are.
    pub total_bytes: u64,
}

impl Inspected {
    pub(super) fn check(&self) -> Result<(), BadRecord> {
        at_most("devices", self.devices.len(), DEVICES_MAX)?;
        self.devices.iter().try_for_each(|device| text_fits("device", &device.name))?;
        self.facts.check()
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
