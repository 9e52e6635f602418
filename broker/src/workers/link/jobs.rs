//! The records of a worker's jobs.

use core_wire::{
    client::FinishReason,
    code::Code,
    ids::JobId,
    worker::{Chunk, Ended, Refused, Started, Step, StepToken},
};
use tokio::time::{Duration, Instant};

use super::{Breach, Emitted, Heard, Ledger, Want, at_most, probable::probable};

/// One job that the worker holds.
#[derive(Debug)]
pub(crate) struct Job<L> {
    /// Who listens; `None` once its request has ended otherwise.
    pub(crate) listener: Option<L>,
    /// Tokens that came so far, for this job and for those that it continues.
    pub(crate) sent: u32,
    /// Those that its client has got.
    pub(crate) emitted: Emitted,
    /// What it was asked for.
    pub(crate) want: Want,
    /// The answer of a brief job so far.
    pub(crate) answer: Vec<u8>,
    /// Bytes that came of it, kept or not.
    pub(crate) length: usize,
    prompt: Option<Started>,
    cancelled: bool,
    /// Since when it is to be let go of: nobody listens any more, or it was asked back.
    left: Option<Instant>,
    over: bool,
    /// The step that named it last, so that one step cannot name it twice.
    step: u64,
}

impl<L> Job<L> {
    pub(super) fn new(want: Want, emitted: Emitted, listener: L) -> Self {
        let listener = Some(listener);
        let answer = Vec::new();
        Self {
            listener,
            sent: emitted.count(),
            emitted: emitted.submitted(),
            want,
            answer,
            length: 0,
            prompt: None,
            cancelled: false,
            left: None,
            over: false,
            step: 0,
        }
    }

    /// What its prompt took, once it was started.
    #[cfg(test)]
    pub(crate) fn started(&self) -> Option<Started> {
        self.prompt
    }

    /// Notes that its request has ended otherwise, and when.
    pub(crate) fn leave(&mut self, now: Instant) {
        self.listener = None;
        self.answer = Vec::new();
        self.emitted = Emitted::default();
        self.left.get_or_insert(now);
    }

    /// Notes that the worker was asked to give it up, and when.
    pub(crate) fn is_asked_back(&mut self, now: Instant) {
        self.left.get_or_insert(now);
    }

    /// Notes that the worker was asked to end it.
    pub(crate) fn cancel(&mut self) {
        self.cancelled = true;
    }
}

impl<L> Ledger<L> {
    /// Since when the worker has held on to a job that it is to let go of, and `owes` an end to; of
    /// several the oldest.
    pub(crate) fn left_since(&self, owes: impl Fn(Want) -> bool) -> Option<Instant> {
        let jobs = self.jobs.values().filter(|job| owes(job.want));
        jobs.filter_map(|job| job.left).min()
    }

    /// Takes a time in which it could not compute out of those in which it held on to jobs.
    pub(crate) fn forgive(&mut self, time: Duration, now: Instant) {
        for job in self.jobs.values_mut().filter(|job| job.want.computes()) {
            job.left = job.left.map(|left| (left + time).min(now));
        }
    }

    pub(super) fn started(&mut self, started: Started) -> Result<Heard, Breach> {
        let n_ctx = self.n_ctx;
        let job = self.running(started.job, "STARTED")?;
        if !job.want.is_seated() || job.prompt.is_some() {
            // guard
            return Err(Breach::Job { what: "a second or brief start", job: started.job });
        }
        at_most("the prompt's length", started.prompt_tokens, n_ctx)?; // guard
        at_most("cached tokens", started.cached_tokens, started.prompt_tokens)?; // guard
        job.prompt = Some(started);
        Ok(Heard::Started(started))
    }

    /// Checks all of a step before any of it is used.
    pub(super) fn stepped(&mut self, step: Step) -> Result<Heard, Breach> {
        if step.step != self.step + 1 {
            // guard
            return Err(Breach::Step { last: self.step, found: step.step });
        }
        self.step = step.step;
        for token in &step.tokens {
            self.token(token)?;
        }
        for ended in &step.ended {
            self.ended(ended)?;
        }
        for &job in &step.parked {
            self.parked(job)?;
        }
        Ok(Heard::Step(step))
    }

    fn token(&mut self, token: &StepToken) -> Result<(), Breach> {
        let (n_vocab, n_ctx, step) = (self.n_vocab, self.n_ctx, self.step);
        at_most("a token", token.token, n_vocab.saturating_sub(1))?; // guard
        let job = self.running(token.job, "a token")?;
        let Want::Tokens { max, logprobs } = job.want else {
            return Err(Breach::Job { what: "a token of a brief job", job: token.job });
        };
        probable(token, logprobs, n_vocab)?; // guard
        let Some(started) = job.prompt.filter(|_| job.step != step) else {
            return Err(Breach::Job { what: "a token too early or twice", job: token.job });
        };
        job.step = step;
        job.sent += 1;
        at_most("the number of tokens", job.sent, max)?; // guard
        // What is kept of an answer so that it can continue is bounded by this as well.
        let length = u64::from(started.prompt_tokens) + u64::from(job.sent);
        at_most("the length of a sequence", length, n_ctx)?; // guard
        self.spoke = true;
        Ok(())
    }

    fn ended(&mut self, ended: &Ended) -> Result<(), Breach> {
        let job = self.running(ended.job, "an end")?;
        let possible = match ended.reason {
            FinishReason::Cancelled => job.cancelled,
            FinishReason::Stop | FinishReason::Length => job.prompt.is_some(),
        };
        // What computes no step ends in its answer, and only what is cancelled in this way.
        let ends = match job.want {
            Want::Tokens { .. } => true,
            Want::Floats | Want::Published => ended.reason == FinishReason::Cancelled,
            Want::Ids | Want::Text | Want::Nothing | Want::State { .. } => false,
            Want::Count { .. } => false,
        };
        if !possible || !ends {
            // guard
            return Err(Breach::Job { what: "an end that nobody asked for", job: ended.job });
        }
        job.over = true;
        Ok(())
    }

    /// A worker may give a job up unasked, at any time before its end: its cells are its own.
    fn parked(&mut self, job: JobId) -> Result<(), Breach> {
        let parked = self.running(job, "a job given up")?;
        if !parked.want.is_seated() {
            // guard
            return Err(Breach::Job { what: "a brief job given up", job });
        }
        parked.over = true;
        Ok(())
    }

    pub(super) fn chunk(&mut self, chunk: &Chunk) -> Result<Heard, Breach> {
        let job = self.running(chunk.job, "a piece of an answer")?;
        let max = job.want.answer_bytes_max();
        let Some(max) = max.filter(|_| chunk.offset as usize == job.length) else {
            return Err(Breach::Job { what: "a piece out of order", job: chunk.job });
        };
        let length = job.length + chunk.bytes.len();
        at_most("the length of an answer", length as u64, max as u64)?; // guard
        job.length = length;
        // What nobody listens to is only counted, for the check of the next offset.
        if job.listener.is_none() || !job.want.keeps(length) {
            job.answer = Vec::new();
        } else {
            job.answer.extend_from_slice(&chunk.bytes);
        }
        job.over = chunk.last;
        // As good a sign as a token, which a model of embeddings never says.
        self.spoke |= chunk.last && matches!(job.want, Want::Floats);
        Ok(if chunk.last { Heard::Answered(chunk.job) } else { Heard::More })
    }

    pub(super) fn refused(&mut self, refused: Refused) -> Result<Heard, Breach> {
        self.running(refused.job, "a refusal")?.over = true;
        if may_refuse_with(refused.code) {
            Ok(Heard::Refused(refused))
        } else {
            Err(Breach::Code { code: refused.code })
        }
    }

    fn running(&mut self, job: JobId, what: &'static str) -> Result<&mut Job<L>, Breach> {
        let running = self.jobs.get_mut(&job).filter(|running| !running.over);
        running.ok_or(Breach::Job { what, job })
    }
}

/// The codes that are a worker's to give: those that need the model, or that tell of its own
/// limits.
fn may_refuse_with(code: Code) -> bool {
    match code {
        Code::PromptTooLong
        | Code::BadToken
        | Code::BadParameter
        | Code::BadGrammar
        | Code::GrammarFailed
        | Code::ContextBroken
        | Code::QueueFull
        | Code::Memory
        | Code::Internal => true,
        Code::UnknownModel
        | Code::UnknownContext
        | Code::ContextChanged
        | Code::DuplicateRequest
        | Code::BadFrame
        | Code::Deadline
        | Code::SlowClient
        | Code::ModelLoad
        | Code::ModelHash
        | Code::ModelPath
        | Code::ModelChanged
        | Code::ModelUnreadable
        | Code::WorkerLost
        | Code::PolicyViolation
        | Code::Quarantined
        | Code::WorkerHung
        | Code::Draining => false,
    }
}
