//! The step loop: many sequences, one batch.
//!
//! Drain new jobs, one token for every running sequence, the rest of the batch for prompts, decode,
//! choose, one STEP record, heartbeat. Nothing waits for anything but the engine and the rings.

mod admit;
mod contexts;
mod leave;
mod room;
mod step;

use std::{collections::VecDeque, time::Duration};

use core_wire::{client::event::FinishReason, ids::JobId};

use crate::{
    context::{
        cache::{Cache, Limits, Live},
        pool::Sharing,
        prefix::Residue,
    },
    engine::{
        IDLE_PARK,
        desk::{Cores, Desk, Keeps, cancelled},
        embed::{Beside, Embedder},
        load::Plan,
        pace::Pace,
        sampling::Candidates,
        sequence::{Prepared, Sequence},
    },
    fault::Fault,
    llama::{batch::Batch, context::Context},
};

/// How long nobody runs before what nobody can find is cleared. Clearing costs as much as writing
/// the whole cache once, so it must not stand in the way of the next request.
const SETTLE_AFTER: Duration = Duration::from_millis(50);

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    On,
    Stop,
}

/// Everything that a generating worker has.
pub(crate) struct Inference<'m> {
    desk: Desk<'m>,
    context: Context<'m>,
    batch: Batch,
    plan: Plan,
    cache: Cache,
    waiting: VecDeque<Prepared>,
    /// The first that waits, if it does not fit beside those who run.
    blocked: Option<JobId>,
    running: Vec<Sequence>,
    candidates: Candidates,
    piece: Vec<u8>,
    residue: Residue,
    /// Whether something happened since the worker last put its things in order.
    stirred: bool,
    pace: Pace,
    embedder: Embedder<'m>,
    turn: usize,
}

impl<'m> Inference<'m> {
    /// Takes a warmed-up context and the batch that warmed it.
    pub(crate) fn new(
        mut desk: Desk<'m>,
        context: Context<'m>,
        batch: Batch,
        embedder: Embedder<'m>,
        plan: Plan,
    ) -> Self {
        let Plan { n_ctx, sequences, sharing, .. } = plan;
        let idle = plan.idle_cells.min(n_ctx.saturating_sub(1));
        desk.keeps = match sharing {
            Sharing::Parts => Keeps::Parts(idle),
            Sharing::Whole => Keeps::Whole(idle),
        };
        Self {
            desk,
            context,
            batch,
            plan,
            cache: Cache::new(Limits { n_ctx, idle, sequences, sharing }),
            waiting: VecDeque::new(),
            blocked: None,
            running: Vec::new(),
            candidates: Candidates::new(),
            piece: Vec::new(),
            residue: Residue::None,
            stirred: false,
            pace: Pace::new(plan.step_max),
            embedder,
            turn: 0,
        }
    }

    /// Serves until the broker says stop.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn serve(&mut self) -> Result<(), Fault> {
        while self.turn()? == Turn::On {}
        Ok(())
    }

    fn turn(&mut self) -> Result<Turn, Fault> {
        let asked = self.desk.listen()?;
        if asked.stop {
            return Ok(Turn::Stop);
        }
        self.forget(&asked.forgotten)?;
        self.cancel(&asked.cancelled)?;
        self.give_way(&asked.parked)?;
        let room = (self.plan.slots as usize).saturating_sub(self.waiting.len());
        let prepared = self.desk.prepare(self.plan.n_ctx, room, self.beside())?;
        self.waiting.extend(prepared);
        self.take_contexts()?;
        self.admit()?;
        self.desk.answers.write_some(&mut self.desk.link)?;
        self.take_text()?;
        if !self.has_work() || self.desk.cores() == Cores::Others {
            self.rest()?;
        } else {
            self.work()?;
        }
        self.turn = self.turn.wrapping_add(1);
        self.desk.link.beat();
        Ok(Turn::On)
    }

    /// Whether somebody waits for a token; without the cores nobody gets one.
    fn beside(&self) -> Beside {
        let answered = !self.running.is_empty() && self.desk.cores() == Cores::Ours;
        if answered { Beside::Sequences } else { Beside::Nobody }
    }

    fn has_work(&self) -> bool {
        !(self.running.is_empty() && self.embedder.is_idle())
    }

    /// One step for those who are continued, and a slice of a text.
    fn work(&mut self) -> Result<(), Fault> {
        self.embed()?;
        if self.running.is_empty() { Ok(()) } else { self.step() }
    }

    /// Begins with the next text, if none is in work.
    fn take_text(&mut self) -> Result<(), Fault> {
        while self.embedder.is_idle()
            && let Some(text) = self.desk.texts.pop_front()
        {
            let job = text.job;
            if let Err(refusal) = self.embedder.begin(text) {
                self.desk.refuse(job, &refusal)?;
            }
        }
        Ok(())
    }

    fn embed(&mut self) -> Result<(), Fault> {
        let Some(job) = self.embedder.job() else {
            return Ok(());
        };
        let done = match self.embedder.advance(self.beside()) {
            Ok(None) => return Ok(()),
            Ok(Some(embedding)) => self.desk.answers.floats(job, &embedding),
            Err(refusal) => Err(refusal),
        };
        done.or_else(|refusal| self.desk.refuse(job, &refusal))
    }

    /// Ends jobs at the step boundary; a job that is not here has ended already.
    fn cancel(&mut self, jobs: &[JobId]) -> Result<(), Fault> {
        let mut ended = Vec::new();
        for job in jobs {
            if self.embedder.job() == Some(*job) {
                self.embedder.stop();
                ended.push(cancelled(*job));
            } else if let Some(at) = self.waiting.iter().position(|w| w.job == *job) {
                self.waiting.remove(at);
                ended.push(cancelled(*job));
            } else if let Some(at) = self.running.iter().position(|r| r.job == *job) {
                ended.push(self.running[at].ended(FinishReason::Cancelled));
                self.stop(at)?;
            }
        }
        self.desk.publish(Vec::new(), ended)
    }

    /// With nobody to continue, or no core to do it on: finish answers, then sleep until a record
    /// comes.
    fn rest(&mut self) -> Result<(), Fault> {
        if !self.desk.is_idle() {
            if self.desk.has_only_answers() {
                self.desk.answers.write_one(&mut self.desk.link)?;
            }
            return Ok(());
        }
        let settles = self.running.is_empty() && self.stirred;
        let wake = self.desk.link.rest(if settles { SETTLE_AFTER } else { IDLE_PARK })?;
        if wake == core_ring::Wake::Idle && settles {
            self.settle()?;
        }
        Ok(())
    }
}

/// What of those who run others may see.
fn live(running: &[Sequence]) -> Vec<Live<'_>> {
    running.iter().map(Sequence::live).collect()
}
