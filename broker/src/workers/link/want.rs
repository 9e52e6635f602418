//! What jobs are for.

use core_wire::limits::ANSWER_BYTES_MAX;

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
        /// Bytes that it may have.
        bytes_max: usize,
    },
    /// A count of tokens as an answer.
    Count,
    /// The same, for a prompt that is computed first.
    Published,
}

impl Want {
    /// Whether a job that wants this runs the model, and so needs cores.
    pub(crate) fn computes(self) -> bool {
        match self {
            Self::Tokens { .. } | Self::Floats | Self::Published => true,
            Self::Ids | Self::Text | Self::Nothing | Self::State { .. } | Self::Count => false,
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
            | Self::Count => false,
        }
    }

    /// Bytes that an answer in chunks may have; `None` where there is no such answer.
    pub(super) fn answer_bytes_max(self) -> Option<usize> {
        match self {
            Self::Tokens { .. } => None,
            Self::Ids | Self::Text | Self::Floats | Self::Nothing => Some(ANSWER_BYTES_MAX),
            Self::State { bytes_max } => Some(bytes_max),
            Self::Count | Self::Published => Some(size_of::<u32>()),
        }
    }
}
