//! Requests that have not ended: what the scheduler does not need to know of them.

use std::{rc::Rc, time::Instant};

use core_wire::{
    client::{ContextInfo, Done, Event, FinishReason, Timings, Usage},
    ids::{JobId, ModelId, RequestId},
    worker::JobKind,
};

use super::{
    arrive::{Caller, Rest},
    choices::GroupId,
    contexts::{Scope, Session},
    journal::Journal,
    submit::Home,
};
use crate::{
    ipc::Outbox,
    models::hash::Digest,
    scheduler::{Ticket, WorkerId},
    workers::{
        feed::Held,
        link::{Emitted, Want},
    },
};

/// A request that has not ended.
#[derive(Debug)]
pub(super) struct Live {
    /// Where its events go.
    pub(super) outbox: Outbox,
    /// Its name there.
    pub(super) id: RequestId,
    /// What it says is kept here, if it may be adopted or was.
    pub(super) journal: Option<Journal>,
    /// Whose contexts it may use.
    pub(super) session: Session,
    /// What stands behind its name.
    pub(super) form: Form,
    /// What is left to be done for it.
    pub(super) ask: Ask,
    /// What its tokens came from.
    pub(super) home: Home,
    /// Where it runs.
    pub(super) job: Option<(WorkerId, JobId)>,
    /// A job whose cells may serve it: the one that was parked.
    pub(super) reuse: Option<JobId>,
    /// What its client has got, while no job holds that.
    pub(super) emitted: Emitted,
    /// How often it had to wait again.
    pub(super) parks: u32,
    /// Workers that were lost with it since it last went on.
    pub(super) lost: u32,
    /// The answer of a brief job, once it is whole.
    pub(super) answer: Option<Event>,
    /// Whether its worker has told a context that is being written: it needs no worker any more.
    pub(super) writes: bool,
    /// Bytes of the file that a restored context was read from.
    pub(super) file_bytes: u64,
    /// What it used, and where its time went.
    pub(super) usage: Usage,
    pub(super) timings: Timings,
    arrived: Instant,
    started: Option<Instant>,
    first: Option<Instant>,
}

/// How a request of the scheduler stands to what a client sent.
#[derive(Debug)]
pub(super) enum Form {
    /// It is all of it.
    Single,
    /// It compiles the grammar; the rest comes when that is done.
    Grammar(Box<Rest>),
    /// It is one of several completions.
    Choice {
        /// Of which request.
        group: GroupId,
        /// Which, from 0.
        index: u32,
    },
}

/// What a request asks.
#[derive(Debug)]
pub(super) enum Ask {
    /// A job. What it needs to be given to a worker again stays here as long as the request.
    Job(Work),
    /// That a model is loaded or unloaded.
    Place(ModelId),
    /// That everything ends.
    Drain,
}

/// A job that waits or runs.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) kind: JobKind,
    pub(super) want: Want,
    /// Shared with the queue of the worker that it is sent to.
    pub(super) prompt: Rc<Held>,
    /// Whose contexts it uses.
    pub(super) scope: Scope,
    /// The content of the model's file that its grammar compiled for; `None` without a grammar.
    pub(super) compiled_for: Option<Digest>,
}

/// Who hears the tokens of a job.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) ticket: Ticket,
    pub(super) outbox: Outbox,
    pub(super) id: RequestId,
    /// Which of several completions it is.
    pub(super) choice: u32,
    /// Where what it says is kept first.
    pub(super) journal: Option<Journal>,
}

impl Work {
    /// Whether its tokens are bound by a grammar.
    pub(super) fn has_grammar(&self) -> bool {
        matches!(&self.kind, JobKind::Generate(sampling) if sampling.grammar.is_some())
    }
}

impl Form {
    /// Which completion it is.
    pub(super) fn choice(&self) -> u32 {
        match self {
            Self::Choice { index, .. } => *index,
            Self::Single | Self::Grammar(_) => 0,
        }
    }
}

impl Live {
    /// A request of `caller`.
    pub(super) fn new(caller: &Caller, form: Form, ask: Ask) -> Self {
        Self {
            outbox: caller.outbox.clone(),
            id: caller.id.clone(),
            journal: None,
            session: caller.session,
            form,
            ask,
            home: Home::default(),
            job: None,
            reuse: None,
            emitted: Emitted::default(),
            parks: 0,
            lost: 0,
            answer: None,
            writes: false,
            file_bytes: 0,
            usage: Usage::default(),
            timings: Timings::default(),
            arrived: caller.arrived,
            started: None,
            first: None,
        }
    }

    /// Its prompt fits, and it holds a slot. Said again when it continues, which changes nothing;
    /// answers whether this is its start.
    pub(super) fn begin(&mut self, prompt_tokens: u32, cached_tokens: u32) -> bool {
        if self.started.is_some() {
            return false;
        }
        let now = Instant::now();
        self.usage.prompt_tokens = prompt_tokens;
        self.usage.cached_tokens = cached_tokens;
        self.timings.queue_ms = ms(self.arrived, now);
        self.started = Some(now);
        true
    }

    /// The answer of its brief job is whole.
    pub(super) fn answered(&mut self, event: Event) {
        self.answer = Some(match event {
            Event::Context(info) => Event::Context(ContextInfo { bytes: self.file_bytes, ..info }),
            other => other,
        });
    }

    /// Its first token came.
    pub(super) fn first_token(&mut self) {
        let now = Instant::now();
        self.first = Some(now);
        self.timings.prefill_ms = self.started.map_or(0.0, |started| ms(started, now));
    }

    /// Its job was given up; the next one continues with what the client has got.
    pub(super) fn pause(&mut self, job: JobId, emitted: Emitted) {
        self.usage.completion_tokens = emitted.count();
        self.emitted = emitted;
        self.reuse = Some(job);
        self.parks += 1;
        self.job = None;
    }

    /// Its worker is lost with all that it had computed; another continues behind what the client
    /// has got.
    pub(super) fn lose(&mut self, emitted: Emitted) {
        self.usage.completion_tokens = emitted.count();
        self.emitted = emitted;
        self.reuse = None;
        self.answer = None;
        self.parks += 1;
        self.lost += 1;
        self.job = None;
    }

    /// Whether a worker has had it already, which was lost.
    pub(super) fn was_given(&self) -> bool {
        self.lost > 0 || self.job.is_some()
    }

    /// It goes on; answers whether that is after a loss that its client was not told of.
    pub(super) fn resumes(&mut self) -> bool {
        std::mem::take(&mut self.lost) > 0
    }

    /// How it ended, with the times as the broker saw them where the worker said none.
    pub(super) fn done(&mut self, reason: FinishReason) -> Done {
        let now = Instant::now();
        match (self.started, self.first) {
            (None, _) => self.timings.queue_ms = ms(self.arrived, now),
            (Some(started), None) => self.timings.prefill_ms = ms(started, now),
            (Some(_), Some(first)) if self.timings.decode_ms == 0.0 => {
                self.timings.decode_ms = ms(first, now);
            }
            (Some(_), Some(_)) => {}
        }
        Done { finish_reason: Some(reason), usage: self.usage, timings: self.timings }
    }
}

fn ms(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64() * 1e3
}
