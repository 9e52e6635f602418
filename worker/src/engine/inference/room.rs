//! Who gives way when the KV cache is full, or when the broker asks.
//!
//! In this order: what is kept for those that pause, the running sequence of the lowest class that
//! came last, smaller slices, and in the end one request. Never more than one pays with an error.

use core_wire::{
    code::{Code, Refusal},
    ids::JobId,
};

use super::Inference;
use crate::{
    context::{kept::Paused, prefix},
    fault::Fault,
};

impl Inference<'_> {
    /// Gives up the jobs that the broker named; one that is not here has ended.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn give_way(&mut self, jobs: &[JobId]) -> Result<(), Fault> {
        let mut parked = Vec::new();
        for job in jobs {
            if let Some(at) = self.waiting.iter().position(|w| w.job == *job) {
                self.waiting.remove(at);
                parked.push(*job);
            } else if let Some(at) = self.running.iter().position(|r| r.job == *job) {
                self.pause(at)?;
                parked.push(*job);
            }
        }
        self.desk.parked(parked)
    }

    /// Makes what runs and what is kept fit the cache, as far as somebody can give way.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn make_room(&mut self) -> Result<(), Fault> {
        while self.cells_running() + self.kept.cells() > self.plan.n_ctx {
            if !self.yield_cells()? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Frees some cells: of those that pause, or of whoever is worth least; answers whether any
    /// were.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn yield_cells(&mut self) -> Result<bool, Fault> {
        if self.drop_oldest()? {
            return Ok(true);
        }
        if self.running.len() < 2 {
            return Ok(false);
        }
        // The lowest class is the greatest; of equals the last, which has lost least.
        let classes = self.running.iter().enumerate().map(|(at, r)| (r.class, at));
        let Some((_, at)) = classes.max() else {
            return Ok(false);
        };
        let job = self.running[at].job;
        self.release(at)?;
        self.desk.parked(vec![job])?;
        Ok(true)
    }

    /// Ends the request that came last with an error.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn give_up_last(&mut self) -> Result<(), Fault> {
        let Some(last) = self.running.last() else {
            return Ok(());
        };
        let job = last.job;
        self.release(self.running.len() - 1)?;
        let cells = self.plan.n_ctx;
        let message = format!("the KV cache of {cells} cells has none left for this request");
        self.desk.refuse(job, &Refusal::new(Code::Memory, message))
    }

    /// Takes the sequence at `at` out and keeps its cells, as far as that many may be kept.
    fn pause(&mut self, at: usize) -> Result<(), Fault> {
        let (job, cells) = (self.running[at].job, self.running[at].cached());
        let others = self.cells_running() - self.running[at].cells();
        let room = self.plan.idle_cells.min(self.plan.n_ctx.saturating_sub(others));
        while !self.kept.is_empty() && self.kept.cells() + cells > room {
            self.drop_oldest()?;
        }
        // A sequence that sees the cells of another is cheap to compute again, and hard to count.
        if cells > room || self.running[at].borrowed.is_some() {
            return self.release(at);
        }
        let sequence = self.running.remove(at);
        self.kept.push(Paused { job, slot: sequence.slot, cells });
        self.inherit(job);
        Ok(())
    }

    /// Drops all that is kept.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn drop_kept(&mut self) -> Result<(), Fault> {
        while self.drop_oldest()? {}
        Ok(())
    }

    /// Drops the oldest that is kept; answers whether there was one.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn drop_oldest(&mut self) -> Result<bool, Fault> {
        let Some(paused) = self.kept.oldest() else {
            return Ok(false);
        };
        self.drop_paused(paused)?;
        Ok(true)
    }

    /// Frees what a sequence that pauses holds.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn drop_paused(&mut self, paused: Paused) -> Result<(), Fault> {
        prefix::forget(&mut self.context, &paused.slot)?;
        self.pool.give(paused.slot);
        Ok(())
    }
}
