//! How sequences end, and what stays of them.

use core_wire::ids::JobId;

use super::{Inference, live};
use crate::{
    context::prefix::{self, Residue},
    engine::sequence::Aim,
    fault::Fault,
};

impl Inference<'_> {
    /// Lets go of what nobody will ask for, and clears the cache if nothing is left in it.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn settle(&mut self) -> Result<(), Fault> {
        self.stirred = false;
        self.desk.forget();
        // What pauses would have been continued by now if its request still lived.
        self.cache.settle();
        self.perform()?;
        if self.cache.is_empty() && self.residue == Residue::Some {
            prefix::wipe(&mut self.context);
            self.residue = Residue::None;
        }
        Ok(())
    }

    /// Frees what the sequence at `at` holds.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn release(&mut self, at: usize) -> Result<(), Fault> {
        let sequence = self.running.remove(at);
        self.blocked = None;
        self.cache.release(sequence.slot);
        self.cache.trim(&live(&self.running));
        self.perform()
    }

    /// Ends the sequence at `at` and keeps what its domain may find; answers how many cells.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn retire(&mut self, at: usize, job: Option<JobId>) -> Result<u32, Fault> {
        let entry = self.running.remove(at).leave(job);
        self.blocked = None;
        let kept = self.cache.keep(entry, &live(&self.running));
        self.perform()?;
        Ok(kept)
    }

    /// Ends the sequence at `at` before its end: half a prefix is not published.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn stop(&mut self, at: usize) -> Result<(), Fault> {
        match self.running[at].aim {
            Aim::Publish => self.release(at),
            Aim::Answer => self.retire(at, None).map(drop),
        }
    }

    /// Does what the cache asks for.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn perform(&mut self) -> Result<(), Fault> {
        prefix::perform(&mut self.context, self.cache.acts())
    }
}
