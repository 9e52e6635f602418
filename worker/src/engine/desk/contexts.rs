//! Contexts that are saved and restored, on their way to the step loop.

use core_wire::{
    code::{Code, Refusal},
    ids::{DomainId, JobId},
};

use super::Desk;

/// A context to be saved or restored.
pub(crate) struct ContextJob {
    /// The job.
    pub(crate) job: JobId,
    /// Whose context it is; never the public domain.
    pub(crate) domain: DomainId,
    /// What is to be done.
    pub(crate) what: What,
}

/// What is to be done with a context.
pub(crate) enum What {
    /// Answer with what the domain used last.
    Save,
    /// Keep what these bytes hold.
    Restore(Vec<u8>),
}

/// What a worker keeps of sequences that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// Nothing: it continues none.
    Nothing,
    /// Whole sequences, of so many tokens at most.
    Whole(u32),
    /// The same, and their beginnings serve others.
    Parts(u32),
}

impl Keeps {
    /// Checks that a prefix of `tokens` can be published.
    ///
    /// # Errors
    /// `BAD_PARAMETER` where none can be, `MEMORY` where it is too long.
    pub(super) fn check_publish(self, tokens: usize) -> Result<(), Refusal> {
        let message = match self {
            Self::Parts(most) if tokens <= most as usize => return Ok(()),
            Self::Parts(most) => {
                let message = format!(
                    "the prefix has {tokens} tokens, at most {most} are kept; publish less or \
                     raise idle_cells"
                );
                return Err(Refusal::new(Code::Memory, message));
            }
            Self::Whole(_) => "the cache of this model cannot be shared; nothing can be published",
            Self::Nothing => "this model continues no text; nothing can be published",
        };
        Err(Refusal::new(Code::BadParameter, message))
    }
}

impl Desk<'_> {
    /// Lets a context wait for the step loop.
    pub(super) fn take_context(
        &mut self,
        job: JobId,
        domain: Option<DomainId>,
        what: What,
    ) -> Result<(), Refusal> {
        if self.keeps == Keeps::Nothing {
            let message = "this model continues no text and has no contexts";
            return Err(Refusal::new(Code::BadParameter, message));
        }
        let Some(domain) = domain.filter(|domain| *domain != DomainId::PUBLIC) else {
            let message = "a context belongs to a session whose cache is on";
            return Err(Refusal::new(Code::BadParameter, message));
        };
        self.contexts.push_back(ContextJob { job, domain, what });
        Ok(())
    }
}
