//! What jobs are for.

use core_wire::limits::{ANSWER_BYTES_MAX, CONTEXT_TOKENS_MAX, STATE_BYTES_MAX};

/// Bytes of a saved sequence: its count of tokens, the tokens, and the engine's state of them.
const STATE_ANSWER_BYTES_MAX: usize =
    STATE_BYTES_MAX + size_of::<u32>() * (CONTEXT_TOKENS_MAX as usize + 1);

/// What a job was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// So many tokens at most.
    Tokens {
        /// The most.
        max: u32,
        /// How many alternatives are to be told with each, with their probabilities and its own.
        logprobs: Option<u32>,
    },
    /// Token ids as an answer.
    Ids,
    /// Text as an answer.
    Text,
    /// An embedding as an answer.
    Floats,
    /// No answer but that it was done.
    Nothing,
    /// A saved sequence as an answer.
    State {
        /// Bytes that are kept of it; a longer one is only counted.
        bytes_max: usize,
    },
    /// A count of tokens as an answer, for a saved sequence that it is given.
    Count {
        /// Bytes of the sequence.
        bytes: usize,
    },
    /// A count of tokens as an answer, for a prompt that is computed first.
    Published,
}

impl Want {
    /// Whether a job that wants this runs the model, and so needs cores.
    pub(crate) fn computes(self) -> bool {
        match self {
            Self::Tokens { .. } | Self::Floats | Self::Published => true,
            Self::Ids | Self::Text | Self::Nothing | Self::State { .. } | Self::Count { .. } => {
                false
            }
        }
    }

    /// Tokens that it may get.
    pub(crate) fn tokens_max(self) -> u32 {
        match self {
            Self::Tokens { max, .. } => max,
            Self::Floats
            | Self::Ids
            | Self::Text
            | Self::Nothing
            | Self::State { .. }
            | Self::Count { .. }
            | Self::Published => 0,
        }
    }

    /// Whether a job that wants this takes a slot: its prompt is counted, and it may be given up.
    pub(super) fn is_seated(self) -> bool {
        match self {
            Self::Tokens { .. } | Self::Published => true,
            Self::Floats
            | Self::Ids
            | Self::Text
            | Self::Nothing
            | Self::State { .. }
            | Self::Count { .. } => false,
        }
    }

    /// Bytes that an answer in chunks may have; `None` where there is no such answer.
    pub(super) fn answer_bytes_max(self) -> Option<usize> {
        match self {
            Self::Tokens { .. } => None,
            Self::Ids | Self::Text | Self::Floats | Self::Nothing => Some(ANSWER_BYTES_MAX),
            Self::State { .. } => Some(STATE_ANSWER_BYTES_MAX),
            Self::Count { .. } | Self::Published => Some(size_of::<u32>()),
        }
    }

    /// Bytes of a saved sequence that go one way or the other for it, at most.
    pub(crate) fn state_bytes(self) -> usize {
        match self {
            Self::State { bytes_max: bytes } | Self::Count { bytes } => bytes,
            Self::Tokens { .. }
            | Self::Ids
            | Self::Text
            | Self::Floats
            | Self::Nothing
            | Self::Published => 0,
        }
    }

    /// Whether an answer of this length is kept: what a worker may say and what a configuration
    /// allows are not the same, and a worker is not told the latter.
    pub(super) fn keeps(self, length: usize) -> bool {
        match self {
            Self::State { bytes_max } => length <= bytes_max,
            Self::Tokens { .. }
            | Self::Ids
            | Self::Text
            | Self::Floats
            | Self::Nothing
            | Self::Count { .. }
            | Self::Published => true,
        }
    }
}
