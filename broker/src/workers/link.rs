//! What a worker may say, and when.
//!
//! The ring has checked the form of its records and [`ToBroker::read`] their bounds. Here is the
//! meaning: the order of its start, that a job runs here, that a token is in the vocabulary, that
//! nobody gets more than was asked for, that steps count by one. A record is checked as a whole
//! before anything of it is used. Pure: no clock, no descriptor.

mod emitted;
mod held;
mod jobs;
mod probable;
mod start;
mod want;

use core_ring::{PushError, Violation};
use core_wire::{
    code::Code,
    ids::JobId,
    untrusted::Untrusted,
    worker::{BadRecord, Failed, Inspected, Locked, Ready, Refused, Started, Step, ToBroker},
};

pub(crate) use self::{emitted::Emitted, jobs::Job, want::Want};

/// What a worker is for, with what it was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    /// Compare so many CPU variants.
    Choose {
        /// How many.
        variants: usize,
    },
    /// Tell what a model is and takes, and end.
    Inspect {
        /// Cells of the KV cache that a worker may have at most.
        n_ctx: u32,
        /// Slots that one may have at most.
        slots: u32,
    },
    /// Tell which GPUs there are, and end.
    Devices,
    /// Tokenize and compile grammars, with a vocabulary and no weights.
    Vocabulary,
    /// Serve a model.
    Serve {
        /// Cells of the KV cache that it may have at most.
        n_ctx: u32,
        /// Slots that it may have at most.
        slots: u32,
    },
}

/// How far a worker has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It locks itself down.
    Boot,
    /// It was told to go on.
    Loading,
    /// It serves.
    Serving,
    /// It said its last word.
    Ended,
}

/// The state of one worker's protocol; `L` is who listens to a job.
#[derive(Debug)]
pub(crate) struct Ledger<L> {
    role: Role,
    phase: Phase,
    n_ctx: u32,
    n_vocab: u32,
    step: u64,
    /// Whether it has said a token, or an embedding.
    spoke: bool,
    jobs: std::collections::HashMap<JobId, Job<L>>,
}

/// A record that made sense.
#[derive(Debug)]
pub(crate) enum Heard {
    /// It waits to be looked at.
    Locked(Locked),
    /// The index of the best variant.
    Variant(usize),
    /// How much of the model it has read.
    Progress(f32),
    /// What a model is and takes.
    Inspected(Box<Inspected>),
    /// It can serve, once it was looked at.
    Ready(Ready),
    /// It cannot, and ends.
    Failed(Failed),
    /// A job's prompt fits.
    Started(Started),
    /// Tokens, ends and jobs that were given up; every job named in it runs here.
    Step(Step),
    /// A brief job has its whole answer.
    Answered(JobId),
    /// Nothing to act on yet.
    More,
    /// It has given its cores back.
    Paused,
    /// A job ends in an error.
    Refused(Refused),
}

/// A broken promise of a worker: it is killed, and nothing it says later is read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Breach {
    /// The ring itself.
    #[error("ring: {0}")]
    Ring(#[from] Violation),
    /// Ring B could not be written.
    #[error("job ring: {0}")]
    Push(#[from] PushError),
    /// A record.
    #[error("record: {0}")]
    Record(#[from] BadRecord),
    /// A record of ours has no bytes; a fault here, answered in the same way.
    #[error("a record for the worker cannot be written")]
    Encode,
    /// A record that does not belong here.
    #[error("{what} while {phase:?}")]
    OutOfTurn {
        /// Which record.
        what: &'static str,
        /// When.
        phase: Phase,
    },
    /// A number outside what it was given or asked.
    #[error("{what} is {found}; at most {max} is possible")]
    Beyond {
        /// Which number.
        what: &'static str,
        /// What it said.
        found: u64,
        /// The bound.
        max: u64,
    },
    /// A job that does not run here, or not in this way.
    #[error("{what} for job {job}")]
    Job {
        /// What is wrong.
        what: &'static str,
        /// The job.
        job: JobId,
    },
    /// Steps do not count by one.
    #[error("step {found} follows step {last}")]
    Step {
        /// The last one.
        last: u64,
        /// This one.
        found: u64,
    },
    /// A code that is not a worker's to give.
    #[error("a worker refuses with {}", code.name())]
    Code {
        /// The code.
        code: Code,
    },
}

impl<L> Ledger<L> {
    pub(crate) fn new(role: Role) -> Self {
        let jobs = Default::default();
        Self { role, phase: Phase::Boot, n_ctx: 0, n_vocab: 0, step: 0, spoke: false, jobs }
    }

    #[cfg(test)]
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether it holds any job.
    pub(crate) fn is_busy(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// What its jobs were asked for.
    pub(crate) fn wants(&self) -> impl Iterator<Item = Want> {
        self.jobs.values().map(|job| job.want)
    }

    /// Whether it holds a job that needs cores.
    pub(crate) fn computes(&self) -> bool {
        self.wants().any(Want::computes)
    }

    /// Takes one record.
    ///
    /// # Errors
    /// [`Breach`].
    pub(crate) fn hear(&mut self, kind: u8, payload: &[u8]) -> Result<Heard, Breach> {
        let record = ToBroker::read(kind, Untrusted::new(payload))?;
        match (self.phase, record) {
            (Phase::Boot, ToBroker::Locked(locked)) => {
                self.phase = Phase::Loading;
                Ok(Heard::Locked(locked))
            }
            (Phase::Boot | Phase::Loading, ToBroker::Failed(failed)) => {
                self.phase = Phase::Ended;
                Ok(Heard::Failed(failed))
            }
            (Phase::Boot, ToBroker::Variant(index)) => self.variant(index),
            (Phase::Loading, ToBroker::Progress(fraction)) => Ok(Heard::Progress(fraction)),
            (Phase::Loading, ToBroker::Ready(ready)) => self.ready(ready),
            (Phase::Loading, ToBroker::Inspected(inspected)) => self.inspected(inspected),
            (Phase::Serving, ToBroker::Started(started)) => self.started(started),
            (Phase::Serving, ToBroker::Step(step)) => self.stepped(step),
            (Phase::Serving, ToBroker::Chunk(chunk)) => self.chunk(&chunk),
            (Phase::Serving, ToBroker::Refused(refused)) => self.refused(refused),
            // Whether it was asked to is known where the leases are.
            (Phase::Serving, ToBroker::Paused) => Ok(Heard::Paused),
            (phase, record) => Err(Breach::OutOfTurn { what: name(&record), phase }),
        }
    }
}

fn name(record: &ToBroker) -> &'static str {
    match record {
        ToBroker::Locked(_) => "LOCKED",
        ToBroker::Variant(_) => "VARIANT",
        ToBroker::Progress(_) => "PROGRESS",
        ToBroker::Ready(_) => "READY",
        ToBroker::Failed(_) => "FAILED",
        ToBroker::Started(_) => "STARTED",
        ToBroker::Step(_) => "STEP",
        ToBroker::Chunk(_) => "CHUNK",
        ToBroker::Refused(_) => "REFUSED",
        ToBroker::Paused => "PAUSED",
        ToBroker::Inspected(_) => "INSPECTED",
    }
}

/// Checks a number that a worker sent.
fn at_most(what: &'static str, found: impl Into<u64>, max: impl Into<u64>) -> Result<(), Breach> {
    let (found, max) = (found.into(), max.into());
    if found <= max { Ok(()) } else { Err(Breach::Beyond { what, found, max }) }
}
