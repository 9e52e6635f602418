//! What every serving worker does between two steps: read records, tokenize, answer.

mod contexts;
mod say;
mod serve;
mod sparing;

use std::{collections::VecDeque, time::Instant};

use core_wire::{
    client::event::FinishReason,
    ids::{DomainId, JobId},
    worker::{Ended, ToBroker, ToWorker},
};

pub(crate) use self::contexts::{ContextJob, Keeps, What};
use self::sparing::Sparing;
use crate::{
    engine::{
        answers::Answers,
        embed::{Beside, Text},
        inbox::{Inbox, Order, Request},
        sampling::Tools,
        sequence::Prepared,
        tokenizer::Tokenizer,
    },
    fault::Fault,
    link::Link,
};

/// Bytes of prompts tokenized between two steps; whatever starts below it is finished. Tokenizing
/// 64 KiB takes some milliseconds, about as long as a step.
const TOKENIZE_BYTES_PER_TURN: usize = 64 << 10;

/// What the broker asked for that only the step loop can do.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Jobs to end; the desk knows none of them.
    pub(crate) cancelled: Vec<JobId>,
    /// Jobs to give up until they come again; neither.
    pub(crate) parked: Vec<JobId>,
    /// Domains of which nothing may be found any more.
    pub(crate) forgotten: Vec<DomainId>,
    /// Whether the process is to end.
    pub(crate) stop: bool,
}

/// Rings, vocabulary, and the queues between them.
pub(crate) struct Desk<'m> {
    /// Both rings.
    pub(crate) link: Link,
    /// The model's vocabulary.
    pub(crate) tokenizer: Tokenizer<'m>,
    tools: Tools<'m>,
    /// Long answers on their way out.
    pub(crate) answers: Answers,
    /// Texts that wait to be embedded.
    pub(crate) texts: VecDeque<Text>,
    /// Contexts that wait to be saved or restored.
    pub(crate) contexts: VecDeque<ContextJob>,
    /// Whether this worker keeps contexts.
    pub(crate) keeps: Keeps,
    inbox: Inbox,
    heard: Vec<ToWorker>,
    step: u64,
    sparing: Sparing,
    cores: Cores,
}

/// Whose the cores are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cores {
    /// This worker's: it may compute.
    Ours,
    /// Somebody else's.
    Others,
}

impl<'m> Desk<'m> {
    /// A desk for a worker with `slots` slots.
    pub(crate) fn new(link: Link, tokenizer: Tokenizer<'m>, tools: Tools<'m>, slots: u32) -> Self {
        Self {
            link,
            tokenizer,
            tools,
            answers: Answers::default(),
            texts: VecDeque::new(),
            contexts: VecDeque::new(),
            keeps: Keeps::Nothing,
            inbox: Inbox::new(slots),
            heard: Vec::new(),
            step: 0,
            sparing: Sparing::default(),
            cores: Cores::Others,
        }
    }

    /// Whose the cores are.
    pub(crate) fn cores(&self) -> Cores {
        self.cores
    }

    /// Reads the records that came.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn listen(&mut self) -> Result<Asked, Fault> {
        let mut heard = std::mem::take(&mut self.heard);
        self.link.hear(&mut heard)?;
        let mut asked = Asked::default();
        for record in heard.drain(..) {
            match self.inbox.take(record)? {
                Order::None => {}
                Order::Park(job) => self.park(job, &mut asked)?,
                Order::Forget(domain) => asked.forgotten.push(domain),
                Order::Run => self.cores = Cores::Ours,
                Order::Pause => {
                    // Between two steps nothing is computed, so this is true at once.
                    self.cores = Cores::Others;
                    self.link.say(&ToBroker::Paused)?;
                }
                Order::Refuse(refused) => self.link.say(&ToBroker::Refused(refused))?,
                Order::Cancel(job) => self.cancel(job, &mut asked)?,
                Order::Stop => asked.stop = true,
            }
        }
        self.heard = heard;
        Ok(asked)
    }

    /// Tokenizes what waits, a turn's worth of it; answers what is to be generated.
    ///
    /// `length_max` is the length of a sequence at most, prompt and answer together; `room` the
    /// number of requests that are wanted at most; `beside` says whether somebody waits for a token
    /// meanwhile, who is not kept waiting by one dear request after the other.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn prepare(
        &mut self,
        length_max: u32,
        room: usize,
        beside: Beside,
    ) -> Result<Vec<Prepared>, Fault> {
        let mut prepared = Vec::new();
        let mut bytes = 0;
        while prepared.len() < room && bytes < TOKENIZE_BYTES_PER_TURN && !self.answers.is_full() {
            let began = Instant::now();
            let spares = !self.sparing.allows(beside, began);
            let grammars = &self.tools.grammars;
            let is_dear = |request: &Request| request.is_dear(|grammar| grammars.knows(grammar));
            let Some(request) = self.inbox.next(|request| !(spares && is_dear(request))) else {
                break;
            };
            bytes += request.bytes;
            let (job, dear) = (request.job, is_dear(&request));
            match self.serve(request, length_max) {
                Ok(Some(generate)) => prepared.push(generate),
                Ok(None) => {}
                Err(refusal) => self.refuse(job, &refusal)?,
            }
            if dear {
                self.sparing.took(began.elapsed(), Instant::now());
                // Whoever came first is answered before the next one is compiled.
                break;
            }
        }
        Ok(prepared)
    }

    /// Drops what was kept of requests that ended; for when nobody is served.
    pub(crate) fn forget(&mut self) {
        self.tools.grammars.forget();
    }

    /// Whether nothing waits to be tokenized or sent.
    pub(crate) fn is_idle(&self) -> bool {
        self.inbox.is_empty() && self.answers.is_empty() && self.contexts.is_empty()
    }

    /// Whether nothing can be done but to wait for room for an answer.
    pub(crate) fn has_only_answers(&self) -> bool {
        self.answers.is_full() || self.inbox.is_empty()
    }

    /// Gives a job up that waits here, or hands it on.
    fn park(&mut self, job: JobId, asked: &mut Asked) -> Result<(), Fault> {
        if self.inbox.remove(job) {
            return self.parked(vec![job]);
        }
        asked.parked.push(job);
        Ok(())
    }

    /// Ends a job that waits here, or hands it on.
    fn cancel(&mut self, job: JobId, asked: &mut Asked) -> Result<(), Fault> {
        let texts = self.texts.len();
        self.texts.retain(|text| text.job != job);
        let contexts = self.contexts.len();
        self.contexts.retain(|context| context.job != job);
        let waited =
            self.inbox.remove(job) || self.texts.len() < texts || self.contexts.len() < contexts;
        if waited || self.answers.remove(job) {
            return self.publish(Vec::new(), vec![cancelled(job)]);
        }
        asked.cancelled.push(job);
        Ok(())
    }
}

/// A job that was cancelled before it started.
pub(crate) fn cancelled(job: JobId) -> Ended {
    Ended { job, reason: FinishReason::Cancelled, prefill_us: 0, decode_us: 0 }
}
