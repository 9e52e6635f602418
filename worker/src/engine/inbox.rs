//! Jobs on their way in: heads and fragments become requests, in the order in which they came.

mod request;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use core_wire::{
    client::Prompt,
    code::Code,
    codec,
    ids::{DomainId, JobId},
    limits::{CLIENT_FRAME_BYTES_CEILING, MAX_TOKENS_MAX, STATE_BYTES_MAX},
    worker::{Fragment, Job, JobKind, Payload, Refused, ToWorker},
};

pub(crate) use self::request::Request;
use crate::fault::Fault;

/// Requests that may wait beyond one for each slot: tokenizing needs no slot, and the broker may be
/// a step ahead of what it has read.
const WAITING_EXTRA: usize = 64;

/// Bytes of one job: the largest prompt, and all that a request may have got already, which comes
/// with it when it goes on. A token is five bytes at worst.
const JOB_BYTES_MAX: usize = CLIENT_FRAME_BYTES_CEILING + 5 * MAX_TOKENS_MAX as usize;

/// Bytes of prompts that may wait: eight of the largest. A worker's memory is budgeted for its
/// model, so what waits for it must stay small beside that.
const WAITING_BYTES_MAX: usize = 8 * CLIENT_FRAME_BYTES_CEILING;

/// What a record asks of the engine at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Nothing: it was kept.
    None,
    /// Tell the broker that the job is over.
    Refuse(Refused),
    /// End the job.
    Cancel(JobId),
    /// Give the job up; it comes again.
    Park(JobId),
    /// Compute from now on.
    Run,
    /// Compute nothing, and say so.
    Pause,
    /// Let nothing of a domain be found any more.
    Forget(DomainId),
    /// End the process.
    Stop,
}

/// A head whose fragments are still coming.
struct Open {
    head: Job,
    bytes: Vec<u8>,
    /// What the job gets instead of being run, once its fragments are out of the way.
    refused: Option<Refused>,
}

/// Requests that came and were not yet taken.
pub(crate) struct Inbox {
    open: Option<Open>,
    waiting: VecDeque<Request>,
    waiting_max: usize,
}

impl Inbox {
    /// An inbox for a worker with `slots` slots.
    pub(crate) fn new(slots: u32) -> Self {
        let slots = usize::try_from(slots).unwrap_or(usize::MAX);
        Self {
            open: None,
            waiting: VecDeque::new(),
            waiting_max: slots.saturating_add(WAITING_EXTRA),
        }
    }

    /// Takes one record.
    ///
    /// # Errors
    /// [`Fault::OutOfTurn`]: the broker broke the order of records.
    pub(crate) fn take(&mut self, record: ToWorker) -> Result<Order, Fault> {
        match record {
            ToWorker::Job(head) => self.begin(head),
            ToWorker::Fragment(fragment) => self.extend(&fragment),
            ToWorker::Cancel(job) => Ok(Order::Cancel(job)),
            ToWorker::Park(job) => Ok(Order::Park(job)),
            ToWorker::Run => Ok(Order::Run),
            ToWorker::Pause => Ok(Order::Pause),
            ToWorker::Stop => Ok(Order::Stop),
            ToWorker::Forget(domain) => {
                self.forget(domain);
                Ok(Order::Forget(domain))
            }
            ToWorker::Config(_) => Err(out_of_turn("CONFIG")),
            ToWorker::Go => Err(out_of_turn("GO")),
        }
    }

    /// The request that waited longest of those that `may` be taken.
    pub(crate) fn next(&mut self, may: impl FnMut(&Request) -> bool) -> Option<Request> {
        let at = self.waiting.iter().position(may)?;
        self.waiting.remove(at)
    }

    /// Whether a request can be taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Drops a request that waits; answers whether there was one.
    pub(crate) fn remove(&mut self, job: JobId) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|request| request.job != job);
        self.waiting.len() < before
    }

    /// Takes the domain from what waits, so that it finds nothing and leaves nothing behind.
    fn forget(&mut self, domain: DomainId) {
        let waiting = self.waiting.iter_mut().map(|request| &mut request.domain);
        let open = self.open.iter_mut().map(|open| &mut open.head.domain);
        waiting.chain(open).filter(|of| **of == Some(domain)).for_each(|of| *of = None);
    }

    fn begin(&mut self, head: Job) -> Result<Order, Fault> {
        if self.open.is_some() {
            return Err(out_of_turn("JOB"));
        }
        let mut refused = self.objection(&head);
        let mut bytes = Vec::new();
        // Set aside at once: what grows would move, and be there twice meanwhile.
        if refused.is_none()
            && head.kind == JobKind::Restore
            && bytes.try_reserve_exact(head.prompt_bytes as usize).is_err()
        {
            let message = format!("no memory for a context of {} bytes", head.prompt_bytes);
            refused = Some(Refused::new(head.job, Code::Memory, &message));
        }
        let open = Open { bytes, refused, head };
        if open.head.prompt_bytes == 0 {
            return Ok(self.close(open));
        }
        self.open = Some(open);
        Ok(Order::None)
    }

    /// Why a job is not even read, if there is a reason.
    fn objection(&self, head: &Job) -> Option<Refused> {
        let bytes = head.prompt_bytes;
        if head.kind == JobKind::Restore {
            return self.objection_to_state(head);
        }
        if bytes as usize > JOB_BYTES_MAX {
            let message = format!(
                "a prompt of {bytes} bytes; at most {JOB_BYTES_MAX} fit, send a shorter one"
            );
            return Some(Refused::new(head.job, Code::PromptTooLong, &message));
        }
        let prompts = self.waiting.iter().filter(|request| request.kind != JobKind::Restore);
        let waiting: usize = prompts.map(|request| request.bytes).sum();
        if waiting + bytes as usize > WAITING_BYTES_MAX {
            let message = format!("prompts of {waiting} bytes wait for this model already");
            return Some(Refused::new(head.job, Code::Memory, &message));
        }
        if self.waiting.len() >= self.waiting_max {
            let message = format!("{} requests wait for this model already", self.waiting_max);
            return Some(Refused::new(head.job, Code::QueueFull, &message));
        }
        None
    }

    /// The same for a context: the largest that is saved, and one at a time.
    fn objection_to_state(&self, head: &Job) -> Option<Refused> {
        let bytes = head.prompt_bytes as usize;
        if bytes > STATE_BYTES_MAX {
            let message = format!("a context of {bytes} bytes; at most {STATE_BYTES_MAX} fit");
            return Some(Refused::new(head.job, Code::Memory, &message));
        }
        if self.waiting.iter().any(|request| request.kind == JobKind::Restore) {
            let message = "another context is being restored; try again when it is";
            return Some(Refused::new(head.job, Code::QueueFull, message));
        }
        None
    }

    fn extend(&mut self, fragment: &Fragment) -> Result<Order, Fault> {
        let Some(mut open) = self.open.take() else {
            return Err(out_of_turn("FRAGMENT"));
        };
        let got = open.bytes.len() as u64;
        let end = u64::from(fragment.offset) + fragment.bytes.len() as u64;
        let of_turn = fragment.job == open.head.job
            && (u64::from(fragment.offset) == got || open.refused.is_some())
            && end <= u64::from(open.head.prompt_bytes);
        if !of_turn {
            return Err(out_of_turn("FRAGMENT"));
        }
        if open.refused.is_none() {
            open.bytes.extend_from_slice(&fragment.bytes);
        }
        if end == u64::from(open.head.prompt_bytes) {
            return Ok(self.close(open));
        }
        self.open = Some(open);
        Ok(Order::None)
    }

    fn close(&mut self, open: Open) -> Order {
        if let Some(refused) = open.refused {
            return Order::Refuse(refused);
        }
        let Job { job, kind, class, reuse, domain, .. } = open.head;
        let bytes = open.bytes.len();
        let (payload, state) = if kind == JobKind::Restore {
            let prompt = Prompt::Tokens(Vec::new());
            (Ok(Payload { prompt, emitted: Vec::new() }), open.bytes)
        } else {
            (codec::decode(&open.bytes), Vec::new())
        };
        let Ok(Payload { prompt, emitted }) = payload else {
            return Order::Refuse(Refused::new(job, Code::BadFrame, "the prompt is no prompt"));
        };
        let request = Request { job, kind, class, reuse, domain, prompt, emitted, state, bytes };
        self.waiting.push_back(request);
        Order::None
    }
}

fn out_of_turn(what: &'static str) -> Fault {
    Fault::OutOfTurn { what }
}
