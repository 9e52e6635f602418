//! Who starts: in the order of arrival, as soon as a slot and the cells are there.

use core_wire::worker::{Started, ToBroker};

use super::{Inference, live};
use crate::{
    context::prefix::Residue,
    engine::{
        batch::Want,
        sequence::{Aim, Prepared, Sequence},
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
        // Ends: each round starts one of those who wait, or passes one.
        while at < self.waiting.len() {
            match self.fit(at) {
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

    fn fit(&mut self, at: usize) -> Fit {
        let Some(next) = self.waiting.get(at) else {
            return Fit::Later;
        };
        if self.running.len() >= self.plan.slots as usize {
            return Fit::Later;
        }
        let named = |job| Some(job) == next.reuse;
        if self.running.iter().any(|r| named(r.job) && matches!(r.want(), Want::Prefill(_)))
            || self.waiting.iter().any(|w| named(w.job))
        {
            return Fit::AfterItsTwin;
        }
        // Whoever is alone has all cells that there are.
        if self.running.is_empty() {
            return Fit::Now;
        }
        // Looked at again when somebody has ended, and not in each step.
        if self.blocked == Some(next.job) {
            return Fit::Later;
        }
        let headroom = next.left().min(HEADROOM);
        if self.cache.fits(&next.ask(), headroom, &live(&self.running)) {
            return Fit::Now;
        }
        self.blocked = Some(next.job);
        Fit::Later
    }

    fn start(&mut self, prepared: Prepared) -> Result<(), Fault> {
        let begun = self.cache.begin(&prepared.ask(), &live(&self.running));
        let begun = begun.ok_or(Fault::Engine { what: "slots" })?;
        self.perform()?;
        if prepared.aim == Aim::Answer {
            let prompt = u32::try_from(prepared.prompt).unwrap_or(u32::MAX);
            self.desk.link.say(&ToBroker::Started(Started {
                job: prepared.job,
                prompt_tokens: prompt,
                cached_tokens: begun.cached.min(prompt),
            }))?;
        }
        let mut sequence = Sequence::new(prepared, begun, self.plan.n_ctx);
        sequence.replay(|token, piece| self.desk.tokenizer.piece(token, piece));
        self.running.push(sequence);
        self.residue = Residue::Some;
        self.stirred = true;
        Ok(())
    }
}
