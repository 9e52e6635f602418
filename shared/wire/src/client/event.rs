//! What a client is told.

use serde::{Deserialize, Serialize};

use super::{audit::AuditProcess, status::Status};
use crate::{code::Refusal, ids::DetachTicket};

/// One thing that happened to a request.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// It waits behind so many others; said again when that changes.
    Queued {
        /// Requests in front of it.
        position: u32,
        /// How long it will wait in milliseconds, guessed from how long others took; absent while
        /// nothing is known.
        wait_ms: Option<u32>,
    },
    /// A token was chosen. The texts of all tokens in a row are the text.
    Token {
        /// Its id.
        id: u32,
        /// Text that is complete by now; empty while a character or a stop string may be open.
        text: String,
        /// The natural logarithm of its probability, where asked for.
        logprob: Option<f32>,
        /// Which completion it belongs to; 0 unless several were asked for.
        choice: u32,
        /// The likeliest tokens at its place with theirs, as many as were asked for.
        top: Vec<(u32, f32)>,
    },
    /// A model is loading.
    Progress {
        /// 0 to 1.
        fraction: f32,
    },
    /// Terminal: the model is as it was asked to be.
    Loaded(ModelInfo),
    /// Terminal: the request is over.
    Done(Done),
    /// Terminal: the request is refused or failed.
    Error(Refusal),
    /// Terminal: the tokens of a text.
    Tokens(Vec<u32>),
    /// Terminal: the text of tokens; bytes that are no UTF-8 are replaced.
    Text(String),
    /// Terminal: the models.
    Models(Vec<ModelInfo>),
    /// Terminal: the broker's state.
    Status(Box<Status>),
    /// Terminal: one entry for each process.
    Audit(Vec<AuditProcess>),
    /// One of several completions is over; the request goes on.
    Choice(Choice),
    /// Terminal: the embedding of a text, of length 1 unless it is all zeros.
    Embedding(Vec<f32>),
    /// Terminal: a context was saved, restored, published or withdrawn.
    Context(ContextInfo),
    /// The worker was lost; the request goes on with another, behind the tokens that were told.
    Resumed {
        /// Tokens that the client has been told so far.
        tokens: u32,
    },
    /// Terminal: the generation that was named outlives its connection.
    Detached(Detached),
}

impl Event {
    /// Whether nothing follows it for its request.
    pub fn is_terminal(&self) -> bool {
        !matches!(
            self,
            Self::Queued { .. }
                | Self::Token { .. }
                | Self::Progress { .. }
                | Self::Choice(_)
                | Self::Resumed { .. }
        )
    }
}

// An event may hold a token; its debug form tells what it is and never what it says.
impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Queued { .. } => "Queued",
            Self::Token { .. } => "Token(..)",
            Self::Progress { .. } => "Progress",
            Self::Loaded(_) => "Loaded",
            Self::Done(_) => "Done",
            Self::Error(refusal) => return write!(f, "Error({})", refusal.code.name()),
            Self::Tokens(_) => "Tokens(..)",
            Self::Text(_) => "Text(..)",
            Self::Models(_) => "Models",
            Self::Status(_) => "Status",
            Self::Audit(_) => "Audit",
            Self::Choice(_) => "Choice",
            Self::Embedding(_) => "Embedding(..)",
            Self::Context(_) => "Context",
            Self::Resumed { .. } => "Resumed",
            Self::Detached(_) => "Detached",
        })
    }
}

/// How a request ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Why, for a request that generates; `None` for others.
    pub finish_reason: Option<FinishReason>,
    /// What it used.
    pub usage: Usage,
    /// Where its time went.
    pub timings: Timings,
}

/// How a detached generation is adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detached {
    /// What `Attach` needs.
    pub ticket: DetachTicket,
    /// Milliseconds that it is kept for after its connection has ended.
    pub keep_ms: u32,
    /// Index of the first token that is kept, and so the least that `Attach` may start from. All
    /// before it are events that came before this one.
    pub first: u32,
}

/// A context that was saved, restored, published or withdrawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextInfo {
    /// Tokens in it.
    pub tokens: u32,
    /// Bytes of its file; 0 where none is involved.
    pub bytes: u64,
}

/// How one of several completions ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Which, from 0.
    pub index: u32,
    /// Why.
    pub finish_reason: FinishReason,
    /// What it used.
    pub usage: Usage,
}

/// Why generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FinishReason {
    /// The model ended it, or a stop string came.
    Stop,
    /// The asked number of tokens or the context is used up.
    Length,
    /// The client asked for its end.
    Cancelled,
}

/// Tokens that a request used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub prompt_tokens: u32,
    /// Tokens of the prompt that needed no computing.
    pub cached_tokens: u32,
    /// Tokens that were sent.
    pub completion_tokens: u32,
}

/// Where a request's time went, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// From its arrival to its start in the worker, loading the model included.
    pub queue_ms: f64,
    /// From there to its first token.
    pub prefill_ms: f64,
    /// From there to its last token.
    pub decode_ms: f64,
}

/// A model as `models` lists it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Its id.
    pub id: String,
    /// `unloaded`, `loading`, `ready` or `failed`.
    pub state: ModelState,
    /// SHA-256 of its file in hexadecimal, once it has been read.
    pub sha256: Option<String>,
    /// Bytes of its file.
    pub size_bytes: u64,
    /// Context that is served, in tokens; 0 until it was loaded once.
    pub n_ctx: u32,
    /// Context it was trained for, in tokens; 0 until it was loaded once.
    pub n_ctx_train: u32,
    /// Ids in its vocabulary; 0 until it was loaded once.
    pub n_vocab: u32,
    /// Parameters; 0 until it was loaded once.
    pub n_params: u64,
    /// Architecture as the file names it; empty until it was loaded once.
    pub architecture: String,
    /// Whether the file holds a chat template.
    pub chat_template: bool,
    /// Why it failed, where it did.
    pub reason: Option<String>,
    /// Bytes that its worker takes, page cache included; 0 until it was inspected.
    pub memory_bytes: u64,
    /// Whether it stays loaded whatever else needs memory.
    pub pinned: bool,
}

/// What a model is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelState {
    /// No worker holds it.
    #[default]
    Unloaded,
    /// A worker is reading it.
    Loading,
    /// A worker serves it.
    Ready,
    /// Its worker finishes what it has, then ends.
    Draining,
    /// The last attempt to load it failed.
    Failed,
}
