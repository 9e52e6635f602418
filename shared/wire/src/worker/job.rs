//! Work for a worker.

use serde::{Deserialize, Serialize};

use crate::{
    client::{
        Prompt,
        params::{Filters, Grammar, Penalties, Priority},
        request::Special,
    },
    ids::{DomainId, JobId},
};

/// The head of a job; fragments with its payload follow at once, in order, without a gap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its number, never used before in this broker's life.
    pub job: JobId,
    /// What is to be done.
    pub kind: JobKind,
    /// Who has to give way when the KV cache is full: the lowest class first.
    pub class: Priority,
    /// A job whose cells may serve this one: the parked one that it continues, or one with the same
    /// prompt. Only ever of the same request.
    pub reuse: Option<JobId>,
    /// Whose cells may serve it beside those, and who may use its own later; `None` for a job that
    /// leaves nothing behind and finds nothing.
    pub domain: Option<DomainId>,
    /// Bytes of all its fragments together: one encoded [`Payload`], or for [`JobKind::Restore`]
    /// the bytes that a job of [`JobKind::Save`] answered with.
    pub prompt_bytes: u32,
}

/// What a job works on.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Payload {
    /// The prompt as the client sent it.
    pub prompt: Prompt,
    /// Tokens that the request has got already: they are replayed, and what follows is new.
    pub emitted: Vec<u32>,
}

// A payload is a prompt: its debug form never shows it.
impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Payload({:?}, {} emitted)", self.prompt, self.emitted.len())
    }
}

/// What is to be done with the prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum JobKind {
    /// Continue it.
    Generate(Box<Sampling>),
    /// Answer with its tokens, as chunks of little-endian `u32`.
    Tokenize(Special),
    /// Answer with its text, as chunks of UTF-8.
    Detokenize,
    /// Answer with its embedding, as chunks of little-endian `f32`.
    Embed,
    /// Compile the grammar for this vocabulary, and answer with an empty chunk if that succeeds.
    /// The prompt is not looked at.
    Compile(Grammar),
    /// Answer with the last sequence that its domain keeps: a `u32` count of tokens, the tokens,
    /// and the engine's state of them, all little-endian. The prompt is not looked at.
    Save,
    /// Keep a saved sequence in its domain; answered with the count of its tokens as one `u32`.
    Restore,
    /// Compute the prompt and keep it for every domain; answered with the count of its tokens.
    Publish,
}

/// How tokens are chosen and when to stop; ranges were checked by the broker
/// (`client::Params::check`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// At most so many tokens, replayed ones included.
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
    /// Further filters.
    pub filters: Filters,
    /// What makes repetitions less likely.
    pub penalties: Penalties,
    /// Added to the logits of these tokens.
    pub logit_bias: Vec<(u32, f32)>,
    /// Tells the probability of each token, and of so many alternatives.
    pub logprobs: Option<u32>,
    /// What the answer has to be; compiled before in a throwaway worker.
    pub grammar: Option<Grammar>,
}

impl Default for Sampling {
    /// One token, the likeliest.
    fn default() -> Self {
        Self {
            max_tokens: 1,
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            seed: 0,
            stop: Vec::new(),
            end: EndOfGeneration::Stops,
            filters: Filters::default(),
            penalties: Penalties::default(),
            logit_bias: Vec::new(),
            logprobs: None,
            grammar: None,
        }
    }
}

/// What an end-of-generation token does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndOfGeneration {
    /// It ends the request and is not shown.
    #[default]
    Stops,
    /// It is a token like any other (`ignore_eos`).
    IsAToken,
}

/// A piece of a job's payload, at most [`crate::limits::FRAGMENT_BYTES_MAX`] bytes.
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
