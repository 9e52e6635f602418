//! What domains leave behind: forgetting it, publishing it, saving and restoring it.

use core_wire::{
    code::{Code, Refusal},
    ids::{DomainId, JobId},
};

use super::{Inference, live};
use crate::{
    context::{
        cache::Entry,
        prefix::Residue,
        saved::{self, Broken, Saved},
    },
    engine::{
        answers,
        desk::{ContextJob, What},
        sequence::Aim,
    },
    fault::Fault,
};

impl Inference<'_> {
    /// Puts domains out of reach: what is kept of them goes, and whoever runs leaves nothing.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn forget(&mut self, domains: &[DomainId]) -> Result<(), Fault> {
        for &domain in domains {
            self.cache.forget(domain);
            let waiting = self.waiting.iter_mut().map(|waiting| &mut waiting.domain);
            let running = self.running.iter_mut().map(|running| &mut running.domain);
            let gone = waiting.chain(running).filter(|of| **of == Some(domain));
            gone.for_each(|of| *of = None);
            // Its bytes are cleared as soon as nothing of others lies beside them.
            self.stirred = true;
        }
        self.perform()
    }

    /// Ends the sequence at `at` if it is a prefix to be published, and whole.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn publish(&mut self, at: usize) -> Result<(), Fault> {
        let sequence = &self.running[at];
        if sequence.aim != Aim::Publish || !sequence.is_computed() {
            return Ok(());
        }
        let (job, count, domain) = (sequence.job, sequence.length(), sequence.domain);
        let kept = self.retire(at, None)?;
        let published = if kept == count {
            self.desk.answers.bytes(job, count.to_le_bytes().to_vec())
        } else if domain.is_none() {
            let message = "the prefix was withdrawn while it was computed";
            Err(Refusal::new(Code::BadParameter, message))
        } else {
            let message = format!("there is no room to keep {count} tokens for everybody");
            Err(Refusal::new(Code::Memory, message))
        };
        published.or_else(|refusal| self.desk.refuse(job, &refusal))
    }

    /// Saves and restores what waits; a state that is to be saved waits for the one before it.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn take_contexts(&mut self) -> Result<(), Fault> {
        for context in std::mem::take(&mut self.desk.contexts) {
            let ContextJob { job, domain, what } = context;
            let done = match what {
                What::Save if self.desk.answers.has_state() => {
                    self.desk.contexts.push_back(ContextJob { job, domain, what });
                    continue;
                }
                What::Save => self.save(job, domain),
                What::Restore(bytes) => self.restore(job, domain, &bytes)?,
            };
            done.or_else(|refusal| self.desk.refuse(job, &refusal))?;
        }
        Ok(())
    }

    /// Begins to answer with what `domain` used last.
    fn save(&mut self, job: JobId, domain: DomainId) -> Result<(), Refusal> {
        let Some(entry) = self.cache.last(domain) else {
            let message = "this session has no context of this model to save";
            return Err(Refusal::new(Code::BadParameter, message));
        };
        let (head, count) = (saved::head(&entry.tokens), entry.cells.count());
        let slot = entry.slot.id();
        let broken = |_| Refusal::new(Code::Internal, "the engine does not give this context out");
        let size = self.context.state_size(slot).map_err(broken)?;
        answers::check_state(head.len().saturating_add(size))?;
        // Asked before, because the engine's answer would end the process instead.
        if Vec::<u8>::new().try_reserve_exact(size).is_err() {
            let message = format!("no memory for a context of {size} bytes");
            return Err(Refusal::new(Code::Memory, message));
        }
        let state = self.context.state(slot).map_err(broken)?;
        saved::check(&state, count).map_err(|_| {
            Refusal::new(Code::BadParameter, "contexts of models of this kind cannot be saved")
        })?;
        self.desk.answers.state(job, head, state);
        Ok(())
    }

    /// Keeps what `bytes` hold in `domain`; answers how many tokens, or why not.
    fn restore(
        &mut self,
        job: JobId,
        domain: DomainId,
        bytes: &[u8],
    ) -> Result<Result<(), Refusal>, Fault> {
        let Saved { tokens, state } = match saved::read(bytes, self.desk.tokenizer.n_vocab()) {
            Ok(saved) => saved,
            Err(broken) => return Ok(Err(refused(broken))),
        };
        // At most the length of the longest context.
        let count = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
        if let Err(broken) = saved::check(state, count) {
            return Ok(Err(refused(broken)));
        }
        let room = self.cache.room(count, &live(&self.running));
        self.perform()?;
        let Some((slot, cells)) = room else {
            let message = format!(
                "no room for a context of {count} tokens; raise idle_cells or n_ctx, or wait"
            );
            return Ok(Err(Refusal::new(Code::Memory, message)));
        };
        self.residue = Residue::Some;
        self.stirred = true;
        let loaded = self.context.set_state(slot.id(), state);
        if loaded != Ok(count) {
            self.cache.release(slot);
            self.perform()?;
            return Ok(Err(refused(Broken("the engine does not take its state"))));
        }
        let (domain, tokens) = (Some(domain), tokens.into());
        let entry = Entry { job: None, domain, tokens, slot, cells };
        self.cache.keep(entry, &live(&self.running));
        self.perform()?;
        Ok(self.desk.answers.bytes(job, count.to_le_bytes().to_vec()))
    }
}

fn refused(broken: Broken) -> Refusal {
    Refusal::new(Code::ContextBroken, broken.to_string())
}
