//! Refusals: what a client can be told, by number, and whether a retry helps.

use serde::{Deserialize, Serialize};

/// Declares the codes once: number, name on the wire, and whether the same request may succeed
/// later. Append only: numbers and names are the contract with clients.
macro_rules! codes {
    ($($(#[doc = $doc:literal])* $variant:ident = $number:literal, $name:literal, $retry:ident;)*)
    => {
        /// Why a request was refused or ended; stable numbers and names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "u16", into = "u16")]
        pub enum Code { $($(#[doc = $doc])* $variant = $number,)* }

        impl Code {
            /// Every code, in the order of their numbers.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The name in the contract.
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// Whether the same request may succeed later.
            pub fn retry(self) -> Retry {
                match self { $(Code::$variant => Retry::$retry,)* }
            }
        }
    };
}

/// Whether sending the same request again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The request itself is at fault.
    Never,
    /// The cause passes.
    Later,
}

codes! {
    /// No model has this id.
    UnknownModel = 10, "UNKNOWN_MODEL", Never;
    /// The prompt does not fit the context.
    PromptTooLong = 11, "PROMPT_TOO_LONG", Never;
    /// A token id is outside the vocabulary.
    BadToken = 12, "BAD_TOKEN", Never;
    /// A parameter is out of its range.
    BadParameter = 13, "BAD_PARAMETER", Never;
    /// A grammar does not compile.
    BadGrammar = 14, "BAD_GRAMMAR", Never;
    /// The request id is already open in this session.
    DuplicateRequest = 15, "DUPLICATE_REQUEST", Never;
    /// A frame could not be read.
    BadFrame = 16, "BAD_FRAME", Never;
    /// No context was saved under this name for this model and user.
    UnknownContext = 17, "UNKNOWN_CONTEXT", Never;
    /// A queue is at its limit.
    QueueFull = 20, "QUEUE_FULL", Later;
    /// The memory budget does not allow it.
    Memory = 21, "MEMORY", Later;
    /// The request's deadline passed.
    Deadline = 22, "DEADLINE", Later;
    /// The client did not read its stream.
    SlowClient = 23, "SLOW_CLIENT", Later;
    /// A grammar could not be followed to the end.
    GrammarFailed = 24, "GRAMMAR_FAILED", Never;
    /// The model could not be loaded.
    ModelLoad = 30, "MODEL_LOAD", Never;
    /// The file's hash is not the declared one.
    ModelHash = 31, "MODEL_HASH", Never;
    /// The file is not a regular file beneath models/.
    ModelPath = 32, "MODEL_PATH", Never;
    /// The file changed while it was in use.
    ModelChanged = 33, "MODEL_CHANGED", Later;
    /// The broker's user may not read the file.
    ModelUnreadable = 34, "MODEL_UNREADABLE", Never;
    /// A saved context belongs to another content of the model, another build, or other settings.
    ContextChanged = 35, "CONTEXT_CHANGED", Never;
    /// A saved context is truncated, or not as it was written.
    ContextBroken = 36, "CONTEXT_BROKEN", Never;
    /// The worker died.
    WorkerLost = 40, "WORKER_LOST", Later;
    /// The worker did what it may not, and was killed.
    PolicyViolation = 41, "POLICY_VIOLATION", Never;
    /// The request was present at too many deaths.
    Quarantined = 42, "QUARANTINED", Never;
    /// The worker stopped answering, and was killed.
    WorkerHung = 43, "WORKER_HUNG", Later;
    /// The broker takes no more work.
    Draining = 50, "DRAINING", Later;
    /// A fault of the broker.
    Internal = 60, "INTERNAL", Later;
}

impl From<Code> for u16 {
    fn from(code: Code) -> u16 {
        code as u16
    }
}

impl TryFrom<u16> for Code {
    type Error = UnknownCode;

    fn try_from(number: u16) -> Result<Self, UnknownCode> {
        let found = Self::ALL.iter().find(|&&code| code as u16 == number);
        found.copied().ok_or(UnknownCode { number })
    }
}

/// A number that is no code of this version.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("error code {number} is not known to protocol 1.0")]
pub struct UnknownCode {
    /// The number.
    pub number: u16,
}

/// Why a request is not served: the frame that ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {message}", code.name())]
pub struct Refusal {
    /// Which of the contract's codes.
    pub code: Code,
    /// When to try again, in milliseconds, where that helps.
    pub retry_after_ms: Option<u32>,
    /// A sentence that names the value and the limit. Never a prompt.
    pub message: String,
}

impl Refusal {
    /// A refusal that asks for no particular wait.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, retry_after_ms: None, message: message.into() }
    }

    /// The same refusal, asking for a wait of `ms` milliseconds.
    #[must_use]
    pub fn after(mut self, ms: u32) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }
}
