//! Work for a worker.

use serde::{Deserialize, Serialize};

use crate::{client::request::Special, ids::JobId};

/// The head of a job; fragments with its prompt follow at once, in order, without a gap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its number, never used before in this broker's life.
    pub job: JobId,
    /// What is to be done.
    pub kind: JobKind,
    /// Bytes of all its fragments together: one encoded `client::Prompt`.
    pub prompt_bytes: u32,
}

/// What is to be done with the prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum JobKind {
    /// Continue it.
    Generate(Sampling),
    /// Answer with its tokens, as chunks of little-endian `u32`.
    Tokenize(Special),
    /// Answer with its text, as chunks of UTF-8.
    Detokenize,
}

/// How tokens are chosen and when to stop; ranges were checked by the broker
/// (`client::Params::check`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// At most so many tokens.
    pub max_tokens: u32,
    /// 0 takes the likeliest token always.
    pub temperature: f32,
    /// Keeps the k likeliest; 0 keeps all.
    pub top_k: u32,
    /// Keeps the likeliest that reach this probability together.
    pub top_p: f32,
    /// Drops what is less likely than this share of the likeliest.
    pub min_p: f32,
    /// Seed of the draws u = f(seed, position), decision D10.
    pub seed: u64,
    /// Texts that end it.
    pub stop: Vec<String>,
    /// Whether end-of-generation tokens end it.
    pub end: EndOfGeneration,
}

/// What an end-of-generation token does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndOfGeneration {
    /// It ends the request and is not shown.
    Stops,
    /// It is a token like any other (`ignore_eos`).
    IsAToken,
}

/// A piece of a job's prompt, at most [`crate::limits::FRAGMENT_BYTES_MAX`] bytes.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Fragment {
    /// The job.
    pub job: JobId,
    /// Where the piece starts.
    pub offset: u32,
    /// The piece.
    pub bytes: Vec<u8>,
}

// A fragment is a prompt: its debug form never shows it.
impl std::fmt::Debug for Fragment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fragment({} at {}, {} bytes)", self.job, self.offset, self.bytes.len())
    }
}
