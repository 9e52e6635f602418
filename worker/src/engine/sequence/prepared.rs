//! What a sequence is made of, what it takes in, and what comes of that.

use core_wire::{
    client::{Priority, event::FinishReason},
    ids::{DomainId, JobId},
    worker::{Sampling, StepToken},
};
use llama_cpp_2::token::LlamaToken;

use crate::{
    context::{cache::Ask, tokens::Tokens},
    engine::{
        grammar::Standing,
        sampling::{Logprobs, Sampler},
    },
};

/// What a sequence is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// An answer, token by token.
    Answer,
    /// Its cells, which every domain may read: it ends where an answer would begin.
    Publish,
}

/// A request that was tokenized and found to fit.
pub(crate) struct Prepared {
    /// The job.
    pub(crate) job: JobId,
    /// Who has to give way first.
    pub(crate) class: Priority,
    /// The job whose cells may serve it.
    pub(crate) reuse: Option<JobId>,
    /// Whose cells may serve it beside those.
    pub(crate) domain: Option<DomainId>,
    /// What it is for.
    pub(crate) aim: Aim,
    /// Its prompt and what it has got already; at least one token, and fewer than the context
    /// holds.
    pub(crate) tokens: Tokens,
    /// How many of them are the prompt.
    pub(crate) prompt: usize,
    /// How its tokens are chosen.
    pub(crate) sampling: Sampling,
    /// What chooses them; it knows the tokens above.
    pub(crate) sampler: Sampler,
}

impl Prepared {
    /// What it may start from.
    pub(crate) fn ask(&self) -> Ask<'_> {
        Ask { domain: self.domain, named: self.reuse, tokens: &self.tokens }
    }

    /// Tokens that may still be chosen for it.
    pub(crate) fn left(&self) -> u32 {
        let emitted = u32::try_from(self.tokens.len() - self.prompt).unwrap_or(u32::MAX);
        self.sampling.max_tokens.saturating_sub(emitted)
    }
}

/// What came of a chosen token.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    /// What the client gets.
    pub(crate) token: Option<StepToken>,
    /// Why it was the last, if it was.
    pub(crate) finish: Option<FinishReason>,
}

/// What the vocabulary says of a chosen token.
pub(crate) struct Chosen<'a> {
    /// Its id.
    pub(crate) token: LlamaToken,
    /// The bytes with which it shows.
    pub(crate) piece: &'a [u8],
    /// Whether it ends an answer.
    pub(crate) ends: bool,
    /// Where the grammar stands after it.
    pub(crate) standing: Standing,
    /// Its probability, where asked for.
    pub(crate) logprobs: Option<Logprobs>,
}
