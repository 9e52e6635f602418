//! Who gives way when the KV cache is full, or when the broker asks.
//!
//! In this order: what is kept of those that ended or pause, the running sequence of the lowest
//! class that came last, smaller slices, and in the end one request. Never more than one pays with
//! an error.

use core_wire::{
    code::{Code, Refusal},
    ids::JobId,
};

use super::{Inference, live};
use crate::{engine::sequence::Aim, fault::Fault};

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
        // Cells that several see are counted once, which is only looked into where it matters.
        if self.cache.is_roomy(&live(&self.running)) {
            return Ok(());
        }
        while self.cache.cells(&live(&self.running)) > self.plan.n_ctx {
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
        if self.cache.drop_one() {
            self.perform()?;
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
        match self.running[at].aim {
            Aim::Publish => self.give_up(at)?,
            Aim::Answer => {
                let job = self.running[at].job;
                self.release(at)?;
                self.desk.parked(vec![job])?;
            }
        }
        Ok(true)
    }

    /// Ends the request that came last with an error.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn give_up_last(&mut self) -> Result<(), Fault> {
        match self.running.len().checked_sub(1) {
            Some(last) => self.give_up(last),
            None => Ok(()),
        }
    }

    /// Ends the request at `at` with an error.
    fn give_up(&mut self, at: usize) -> Result<(), Fault> {
        let job = self.running[at].job;
        self.release(at)?;
        let cells = self.plan.n_ctx;
        let message = format!("the KV cache of {cells} cells has none left for this request");
        self.desk.refuse(job, &Refusal::new(Code::Memory, message))
    }

    /// Takes the sequence at `at` out and keeps its cells, as far as that many may be kept.
    fn pause(&mut self, at: usize) -> Result<(), Fault> {
        let job = self.running[at].job;
        match self.running[at].aim {
            Aim::Publish => self.release(at),
            Aim::Answer => self.retire(at, Some(job)).map(drop),
        }
    }
}
