//! The tokens that a request has got.

use std::fmt;

/// Tokens between two notes of how long an answer is: a block of KV cells of the scheduler.
const NOTED_EACH: u32 = 64;

/// What a client has got of its answer: what a job is given to continue after it was parked.
#[derive(Default)]
pub(crate) struct Emitted {
    ids: Vec<u32>,
    /// How many of them it was submitted with.
    before: u32,
}

impl Emitted {
    /// Adds a token; answers whether this is worth a note: the first of its job, or a whole block.
    pub(crate) fn push(&mut self, id: u32) -> bool {
        self.ids.push(id);
        let count = self.count();
        count == self.before + 1 || count.is_multiple_of(NOTED_EACH)
    }

    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.ids.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The same tokens, for a job that continues behind them.
    pub(super) fn submitted(mut self) -> Self {
        self.before = self.count();
        self
    }
}

// Tokens are what somebody said; the debug form never shows them.
impl fmt::Debug for Emitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Emitted({})", self.ids.len())
    }
}
