//! A worker that does what it is told, a token each 5 ms for each job, until its lie is due.

use std::time::{Duration, Instant};

use core_tests::rogue::{Lie, VOCABULARY};
use core_wire::{
    client::FinishReason,
    codec,
    ids::JobId,
    worker::{Chunk, Job, JobKind, Payload, Step, ToBroker, ToWorker},
};

use crate::{Fallible, boot::Rogue, deeds, records};

/// Time between two steps: a fast reader's stream, and long enough that a scheduler's noise on a
/// busy machine stays small beside it.
const STEP: Duration = Duration::from_millis(5);
/// True tokens before the lie.
const TOKENS_BEFORE: u32 = 3;

/// One job that it has.
struct Running {
    job: JobId,
    kind: JobKind,
    /// Bytes of its prompt that have not come.
    missing: u32,
    /// Those that have.
    payload: Vec<u8>,
    /// Tokens that its client has got, from this worker or from those before it.
    sent: u32,
    /// How many it has got when this one lies.
    lies_at: u32,
}

impl Running {
    fn max(&self) -> u32 {
        match &self.kind {
            JobKind::Generate(sampling) => sampling.max_tokens,
            _ => 0,
        }
    }
}

/// What it knows while it serves.
struct Serving {
    jobs: Vec<Running>,
    computes: bool,
    step: u64,
    due: Instant,
}

/// Serves until it is told to stop, or lies.
pub(crate) fn serve(rogue: &mut Rogue) -> Fallible<()> {
    let mut serving = Serving { jobs: Vec::new(), computes: false, step: 0, due: Instant::now() };
    loop {
        let busy = serving.computes && !serving.jobs.is_empty();
        let rest = if busy { serving.due.saturating_duration_since(Instant::now()) } else { STEP };
        for record in rogue.link.hear(rest)? {
            if record == ToWorker::Stop {
                return Ok(());
            }
            serving.hear(rogue, record)?;
        }
        rogue.link.beat();
        if serving.computes && Instant::now() >= serving.due {
            serving.compute(rogue)?;
        }
    }
}

impl Serving {
    fn hear(&mut self, rogue: &mut Rogue, record: ToWorker) -> Fallible<()> {
        match record {
            ToWorker::Job(job) => self.take(rogue, job),
            ToWorker::Fragment(fragment) => {
                let job = self.jobs.iter_mut().find(|running| running.job == fragment.job);
                let job = job.ok_or("a fragment of nothing")?;
                job.missing -= u32::try_from(fragment.bytes.len())?;
                job.payload.extend_from_slice(&fragment.bytes);
                if job.missing == 0 { self.begin(rogue, fragment.job) } else { Ok(()) }
            }
            ToWorker::Cancel(job) => {
                if !self.jobs.iter().any(|running| running.job == job) {
                    return Ok(());
                }
                self.jobs.retain(|running| running.job != job);
                let ended = vec![records::ended(job, FinishReason::Cancelled)];
                self.say(rogue, Step { ended, ..Step::default() })
            }
            ToWorker::Park(job) => {
                self.jobs.retain(|running| running.job != job);
                self.say(rogue, Step { parked: vec![job], ..Step::default() })
            }
            ToWorker::Run => {
                self.computes = true;
                Ok(())
            }
            ToWorker::Pause => {
                self.computes = false;
                rogue.link.say(&ToBroker::Paused)
            }
            ToWorker::Forget(_) => Ok(()),
            ToWorker::Config(_) | ToWorker::Go | ToWorker::Stop => Err("out of turn".into()),
        }
    }

    fn take(
        &mut self,
        rogue: &mut Rogue,
        Job { job, kind, prompt_bytes, .. }: Job,
    ) -> Fallible<()> {
        self.jobs.push(Running {
            job,
            kind,
            missing: prompt_bytes,
            payload: Vec::new(),
            sent: 0,
            lies_at: 0,
        });
        deeds::at_job(rogue)?;
        if prompt_bytes == 0 { self.begin(rogue, job) } else { Ok(()) }
    }

    /// Its prompt is whole. Where another worker has lied to its client already, this one lies at
    /// once: a true token would show that a worker survives the request.
    fn begin(&mut self, rogue: &mut Rogue, job: JobId) -> Fallible<()> {
        let mut all = self.jobs.iter_mut();
        let running = all.find(|running| running.job == job).ok_or("no such job")?;
        if let JobKind::Generate(_) = running.kind {
            let payload: Payload = codec::decode(&running.payload)?;
            running.sent = u32::try_from(payload.emitted.len())?;
            let patient = rogue.lie == Lie::Patient;
            running.lies_at = TOKENS_BEFORE + if patient { running.sent } else { 0 };
            let due = running.sent >= running.lies_at;
            rogue.link.say(&records::started(job))?;
            if due {
                // A true step at once would overwrite what is forged before anybody reads it.
                self.due = Instant::now() + STEP;
                deeds::lie(rogue, job, &mut self.step)?;
            }
            return Ok(());
        }
        self.jobs.retain(|running| running.job != job);
        let offset = if rogue.lie == Lie::ChunkOrder { 8 } else { 0 };
        let bytes = 1.0_f32.to_le_bytes().to_vec();
        rogue.link.say(&ToBroker::Chunk(Chunk { job, offset, last: true, bytes }))
    }

    /// A token for everybody, and an end for who has all of them.
    fn compute(&mut self, rogue: &mut Rogue) -> Fallible<()> {
        self.due = Instant::now() + STEP;
        let ready = |running: &&mut Running| running.missing == 0;
        let mut step = Step::default();
        for running in self.jobs.iter_mut().filter(ready) {
            running.sent += 1;
            step.tokens.push(records::token(running.job, running.sent % VOCABULARY));
            if running.sent >= running.max() && rogue.lie != Lie::TooManyTokens {
                step.ended.push(records::ended(running.job, FinishReason::Length));
            }
        }
        if step.tokens.is_empty() {
            return Ok(());
        }
        let ended = step.ended.clone();
        self.say(rogue, step)?;
        self.jobs.retain(|running| ended.iter().all(|one| one.job != running.job));
        let due = self.jobs.iter().find(|running| running.sent == running.lies_at);
        match due.map(|running| running.job) {
            Some(job) => deeds::lie(rogue, job, &mut self.step),
            None => Ok(()),
        }
    }

    fn say(&mut self, rogue: &mut Rogue, mut step: Step) -> Fallible<()> {
        self.step += 1;
        step.step = self.step;
        rogue.link.say(&ToBroker::Step(step))
    }
}
