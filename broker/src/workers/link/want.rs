//! What jobs are for.

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
}

impl Want {
    /// Whether a job that wants this runs the model, and so needs cores.
    pub(crate) fn computes(self) -> bool {
        match self {
            Self::Tokens { .. } | Self::Floats => true,
            Self::Ids | Self::Text | Self::Nothing => false,
        }
    }
}
