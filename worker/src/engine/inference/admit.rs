//! Who starts: in the order of arrival, as soon as a slot and the cells are there.

use core_wire::{
    ids::JobId,
    worker::{Started, ToBroker},
};

use super::Inference;
use crate::{
    context::{
        kept::Paused,
        pool::Slot,
        prefix::{self, Residue},
    },
    engine::{
        batch::Want,
        sequence::{Borrowed, Prepared, Sequence},
    },
    fault::Fault,
};

/// Cells that must be free beyond the tokens that a request brings: what a few running sequences
/// need in a second or two. Who starts without would be the first to give way again.
const HEADROOM: u32 = 64;

/// Whether a request can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    /// It can.
    Now,
    /// Not before the one whose prompt it shares has computed it; others may.
    AfterItsTwin,
    /// Not before somebody ends.
    Later,
}

impl Inference<'_> {
    /// Starts whoever waits and fits.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn admit(&mut self) -> Result<(), Fault> {
        let mut at = 0;
        while let Some(next) = self.waiting.get(at) {
            match self.fit(next) {
                Fit::Later => return Ok(()),
                Fit::AfterItsTwin => at += 1,
                Fit::Now => {
                    if let Some(prepared) = self.waiting.remove(at) {
                        self.start(prepared)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn fit(&self, next: &Prepared) -> Fit {
        if self.running.len() >= self.plan.slots as usize {
            return Fit::Later;
        }
        let named = |job| Some(job) == next.reuse;
        if self.running.iter().any(|r| named(r.job) && matches!(r.want(), Want::Prefill(_)))
            || self.waiting.iter().any(|w| named(w.job))
        {
            return Fit::AfterItsTwin;
        }
        // What is kept gives way; whoever is alone has all cells that there are.
        let needs = next.cells().saturating_add(next.left().min(HEADROOM));
        let free = self.plan.n_ctx.saturating_sub(self.cells_running());
        let shared = self.twin(next.reuse).map_or(0, |twin| twin.shares(&next.tokens));
        if self.running.is_empty() || needs.saturating_sub(shared) <= free {
            Fit::Now
        } else {
            Fit::Later
        }
    }

    /// Cells of the sequences that run, those of their prompts that are still to come included.
    pub(super) fn cells_running(&self) -> u32 {
        self.running.iter().map(Sequence::cells).fold(0, u32::saturating_add)
    }

    /// The running sequence that a request names, if it does.
    fn twin(&self, reuse: Option<JobId>) -> Option<&Sequence> {
        let job = reuse.filter(|_| self.plan.copies)?;
        self.running.iter().find(|sequence| sequence.job == job)
    }

    fn start(&mut self, prepared: Prepared) -> Result<(), Fault> {
        let paused = self.kept_for(&prepared)?;
        let (slot, cached, borrowed) = match paused {
            Some(paused) => (paused.slot, paused.cells, None),
            None => {
                let slot = self.free_slot()?;
                let borrowed = self.borrow(&prepared, &slot)?;
                (slot, borrowed.map_or(0, |borrowed| borrowed.cells), borrowed)
            }
        };
        let prompt = u32::try_from(prepared.prompt).unwrap_or(u32::MAX);
        self.desk.link.say(&ToBroker::Started(Started {
            job: prepared.job,
            prompt_tokens: prompt,
            cached_tokens: cached.min(prompt),
        }))?;
        let mut sequence = Sequence::new(prepared, slot, cached, self.plan.n_ctx);
        sequence.borrowed = borrowed;
        sequence.replay(|token, piece| self.desk.tokenizer.piece(token, piece));
        self.running.push(sequence);
        self.residue = Residue::Some;
        Ok(())
    }

    /// What is kept of the job that a request names, if the request goes on behind it: whoever
    /// brings no token more is not that job continued, and must not see cells behind its own end.
    fn kept_for(&mut self, prepared: &Prepared) -> Result<Option<Paused>, Fault> {
        match prepared.reuse.and_then(|job| self.kept.take(job)) {
            Some(paused) if paused.cells >= prepared.cells() => {
                self.drop_paused(paused)?;
                Ok(None)
            }
            paused => Ok(paused),
        }
    }

    /// A slot that nobody uses; what is kept gives one back where there is none.
    fn free_slot(&mut self) -> Result<Slot, Fault> {
        loop {
            if let Some(slot) = self.pool.take() {
                return Ok(slot);
            }
            if !self.drop_oldest()? {
                return Err(Fault::Engine { what: "slots" });
            }
        }
    }

    /// Lets a request see the cells of its twin's prompt, as if they were its own; answers how
    /// many. Nothing is copied: a cell of the unified cache may belong to several sequences.
    fn borrow(&mut self, prepared: &Prepared, slot: &Slot) -> Result<Option<Borrowed>, Fault> {
        let Some(twin) = self.twin(prepared.reuse) else {
            return Ok(None);
        };
        let (from, cells) = (twin.slot.id(), twin.shares(&prepared.tokens));
        let borrowed = Borrowed { from: twin.job, cells };
        prefix::share(&mut self.context, from, slot, cells)?;
        Ok(Some(borrowed))
    }

    /// Makes the first that borrowed cells of `job`, which is gone, their owner.
    pub(super) fn inherit(&mut self, job: JobId) {
        let of_job = |r: &&mut Sequence| r.borrowed.is_some_and(|b| b.from == job);
        let mut heirs = self.running.iter_mut().filter(of_job);
        let Some(owner) = heirs.next() else {
            return;
        };
        owner.borrowed = None;
        for heir in heirs {
            // They borrowed the same prompt; whoever sees less still sees the owner's cells.
            heir.borrowed = heir.borrowed.map(|b| Borrowed { from: owner.job, ..b });
        }
    }
}
