//! Records between the broker and a worker, the payloads of the two rings.
//!
//! The broker writes [`ToWorker`] kinds into ring B, the worker [`ToBroker`] kinds into ring W. The
//! kind stands in the record's header, the payload is one message of [`crate::codec`]. What comes
//! from a worker is hostile: [`ToBroker::read`] is the only way in, and checks every bound that
//! needs no state; whoever holds the state checks the rest (the job runs here, the token is in the
//! vocabulary, the step increases).

mod bad;
pub mod config;
pub mod job;
pub mod report;
pub mod step;

use self::bad::{at_most, text_fits, within};
pub use self::{
    bad::BadRecord,
    config::{KvType, Purpose, Weights, WorkerConfig},
    job::{Fragment, Job, JobKind, Payload, Sampling},
    report::{Claim, Device, Failed, FailedCause, Inspected, Locked, ModelFacts, Needs, Ready},
    step::{Chunk, Ended, Refused, Started, Step, StepToken},
};
use crate::{
    codec::{self, CodecError},
    ids::{DomainId, JobId},
    untrusted::Untrusted,
};

/// The highest kind in either direction; a ring refuses greater ones by itself.
pub const KIND_MAX: u8 = 11;

/// What the broker tells a worker.
#[derive(Clone, Debug, PartialEq)]
pub enum ToWorker {
    /// The first record: everything the worker needs to know, written before it is forked.
    Config(WorkerConfig),
    /// The look at LOCKED was satisfied: read the model.
    Go,
    /// A new request; its prompt follows in fragments.
    Job(Job),
    /// A piece of a job's prompt.
    Fragment(Fragment),
    /// End a job at the next step boundary.
    Cancel(JobId),
    /// End the process.
    Stop,
    /// Give a job up at the next step boundary; it will come again and continue.
    Park(JobId),
    /// The cores are yours: compute.
    Run,
    /// The cores are wanted: say PAUSED at the next step boundary and compute nothing until RUN.
    Pause,
    /// A domain is over: nothing of it may be reachable any more.
    Forget(DomainId),
}

impl ToWorker {
    /// Kind and payload of the record.
    ///
    /// # Errors
    /// [`CodecError::Encode`].
    pub fn encode(&self) -> Result<(u8, Vec<u8>), CodecError> {
        Ok(match self {
            Self::Config(config) => (1, codec::encode(config)?),
            Self::Go => (2, Vec::new()),
            Self::Job(job) => (3, codec::encode(job)?),
            Self::Fragment(fragment) => (4, codec::encode(fragment)?),
            Self::Cancel(job) => (5, codec::encode(job)?),
            Self::Stop => (6, Vec::new()),
            Self::Park(job) => (7, codec::encode(job)?),
            Self::Run => (8, Vec::new()),
            Self::Pause => (9, Vec::new()),
            Self::Forget(domain) => (10, codec::encode(domain)?),
        })
    }

    /// Reads a record that the broker wrote; the worker trusts it and still checks its shape.
    ///
    /// # Errors
    /// [`BadRecord`].
    pub fn decode(kind: u8, payload: &[u8]) -> Result<Self, BadRecord> {
        Ok(match kind {
            1 => Self::Config(codec::decode(payload)?),
            2 => empty(kind, payload, Self::Go)?,
            3 => Self::Job(codec::decode(payload)?),
            4 => Self::Fragment(codec::decode(payload)?),
            5 => Self::Cancel(codec::decode(payload)?),
            6 => empty(kind, payload, Self::Stop)?,
            7 => Self::Park(codec::decode(payload)?),
            8 => empty(kind, payload, Self::Run)?,
            9 => empty(kind, payload, Self::Pause)?,
            10 => Self::Forget(codec::decode(payload)?),
            _ => return Err(BadRecord::Kind { kind }),
        })
    }
}

/// What a worker tells the broker.
#[derive(Clone, Debug, PartialEq)]
pub enum ToBroker {
    /// Everything but the filters is in place; the worker waits to be looked at.
    Locked(Locked),
    /// The answer of a throwaway worker: which CPU variant is best here.
    Variant(u32),
    /// How much of the model has been read, 0 to 1.
    Progress(f32),
    /// Both filters are in place on all threads; prompts may come.
    Ready(Ready),
    /// The model cannot be served; the process ends.
    Failed(Failed),
    /// A job's prompt has been tokenized and found to fit.
    Started(Started),
    /// One step of the engine: tokens for all running sequences, and which of them ended.
    Step(Step),
    /// A piece of a long answer.
    Chunk(Chunk),
    /// A job ends in an error; the worker goes on.
    Refused(Refused),
    /// The answer to PAUSE: no core is in use any more.
    Paused,
    /// The answer of a throwaway worker: what a model is, and what it takes.
    Inspected(Inspected),
}

impl ToBroker {
    /// Kind and payload of the record.
    ///
    /// # Errors
    /// [`CodecError::Encode`].
    pub fn encode(&self) -> Result<(u8, Vec<u8>), CodecError> {
        let mut payload = Vec::new();
        let kind = self.encode_into(&mut payload)?;
        Ok((kind, payload))
    }

    /// Appends the payload to `out`, so that the step loop can reuse one buffer; answers the kind.
    ///
    /// # Errors
    /// [`CodecError::Encode`].
    pub fn encode_into(&self, out: &mut Vec<u8>) -> Result<u8, CodecError> {
        let (kind, _) = match self {
            Self::Locked(locked) => (1, codec::encode_into(locked, out)?),
            Self::Variant(index) => (2, codec::encode_into(index, out)?),
            Self::Progress(fraction) => (3, codec::encode_into(fraction, out)?),
            Self::Ready(ready) => (4, codec::encode_into(ready, out)?),
            Self::Failed(failed) => (5, codec::encode_into(failed, out)?),
            Self::Started(started) => (6, codec::encode_into(started, out)?),
            Self::Step(step) => (7, codec::encode_into(step, out)?),
            Self::Chunk(chunk) => (8, codec::encode_into(chunk, out)?),
            Self::Refused(refused) => (9, codec::encode_into(refused, out)?),
            Self::Paused => (10, 0),
            Self::Inspected(inspected) => (11, codec::encode_into(inspected, out)?),
        };
        Ok(kind)
    }

    /// Reads a record of a worker and checks all that can be checked without state.
    ///
    /// # Errors
    /// [`BadRecord`]: the worker lies or is broken, and is to be killed.
    pub fn read(kind: u8, payload: Untrusted<&[u8]>) -> Result<Self, BadRecord> {
        payload.parse(|bytes| {
            let record = Self::decode(kind, bytes)?;
            record.check()?;
            Ok(record)
        })
    }

    fn decode(kind: u8, payload: &[u8]) -> Result<Self, BadRecord> {
        Ok(match kind {
            1 => Self::Locked(codec::decode(payload)?),
            2 => Self::Variant(codec::decode(payload)?),
            3 => Self::Progress(codec::decode(payload)?),
            4 => Self::Ready(codec::decode(payload)?),
            5 => Self::Failed(codec::decode(payload)?),
            6 => Self::Started(codec::decode(payload)?),
            7 => Self::Step(codec::decode(payload)?),
            8 => Self::Chunk(codec::decode(payload)?),
            9 => Self::Refused(codec::decode(payload)?),
            10 => empty(kind, payload, Self::Paused)?,
            11 => Self::Inspected(codec::decode(payload)?),
            _ => return Err(BadRecord::Kind { kind }),
        })
    }

    fn check(&self) -> Result<(), BadRecord> {
        match self {
            Self::Locked(locked) => locked.check(),
            Self::Ready(ready) => ready.check(),
            Self::Inspected(inspected) => inspected.check(),
            Self::Failed(failed) => text_fits("failure", &failed.message),
            Self::Refused(refused) => text_fits("refusal", &refused.message),
            Self::Step(step) => step.check(),
            Self::Chunk(chunk) => chunk.check(),
            Self::Progress(fraction) => within("progress", *fraction),
            Self::Variant(_) | Self::Started(_) | Self::Paused => Ok(()),
        }
    }
}

fn empty<T>(kind: u8, payload: &[u8], value: T) -> Result<T, BadRecord> {
    if payload.is_empty() { Ok(value) } else { Err(BadRecord::Kind { kind }) }
}
