//! A whole request, and what it costs to prepare.

use core_wire::{
    client::{Priority, Prompt, params::Grammar},
    ids::{DomainId, JobId},
    worker::JobKind,
};

/// A job with its whole prompt.
#[derive(Clone, PartialEq)]
pub(crate) struct Request {
    /// The job.
    pub(crate) job: JobId,
    /// What is to be done.
    pub(crate) kind: JobKind,
    /// Who has to give way first.
    pub(crate) class: Priority,
    /// The job whose cells may serve it.
    pub(crate) reuse: Option<JobId>,
    /// Whose cells may serve it beside those.
    pub(crate) domain: Option<DomainId>,
    /// With what; a context that is restored comes as bytes and not as this.
    pub(crate) prompt: Prompt,
    /// Tokens that it has got already.
    pub(crate) emitted: Vec<u32>,
    /// A context to be restored; else empty.
    pub(crate) state: Vec<u8>,
    /// Bytes that it came in; what it costs to tokenize grows with them.
    pub(crate) bytes: usize,
}

impl Request {
    /// Whether preparing it can take as long as many steps, where `knows` tells which grammars are
    /// compiled already: what it has got goes through its grammar again, token by token.
    pub(crate) fn is_dear(&self, knows: impl FnOnce(&Grammar) -> bool) -> bool {
        match &self.kind {
            JobKind::Compile(_) => true,
            JobKind::Generate(sampling) => {
                let constrained = |grammar| !self.emitted.is_empty() || !knows(grammar);
                sampling.penalties.dry.multiplier > 0.0
                    || sampling.grammar.as_ref().is_some_and(constrained)
            }
            JobKind::Tokenize(_)
            | JobKind::Detokenize
            | JobKind::Embed
            | JobKind::Save
            | JobKind::Restore
            | JobKind::Publish => false,
        }
    }
}
