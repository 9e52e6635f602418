//! Doing what the scheduler answers.

use std::collections::VecDeque;

use core_wire::{
    client::{Done, Event as ToClient, FinishReason, Priority},
    code::{Code, Refusal},
    ids::JobId,
    worker::{Job, ToWorker},
};
use tokio::{task::spawn_local, time::Instant};

use super::{
    Core, Ending,
    generate::changed,
    live::{Ask, Form, Listener, Live},
    load, vocabulary,
    worker::{Stage, Worker},
};
use crate::{
    ipc::OutboxError,
    scheduler::{self, Effect, End, Event, LineId, Part, Ticket, WorkerId},
};

/// When to try again after `SLOW_CLIENT`: at once, should the client read by then.
const SLOW_RETRY_MS: u32 = 100;

impl Core {
    /// Gives an event to the scheduler and does everything that follows from it.
    ///
    /// Ends, because only requests make another event: one that is abandoned ends, and one whose
    /// grammar compiled comes in as at most 16 completions that ask nothing more of this kind.
    pub(super) fn drive(&mut self, event: Event) {
        let due_ms = self.scheduler.next_deadline_ms();
        self.scheduler.set_now(self.now_ms());
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front().or_else(|| self.follow()) {
            for effect in scheduler::step(&mut self.scheduler, event) {
                events.extend(self.perform(effect));
            }
        }
        // What happened in a worker's task may give the run loop something to wait for.
        if self.scheduler.next_deadline_ms() != due_ms {
            self.retime.notify_one();
        }
    }

    /// Does one thing; answers what follows from it.
    fn perform(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Queued { ticket, position, wait_ms } => {
                return self.tell_position(ticket, position, wait_ms);
            }
            Effect::Finish { ticket, end } => self.finish(ticket, end),
            Effect::Load(line) => self.load(line),
            Effect::LoadSpare(line) => self.load_spare(line),
            Effect::DropSpare(line) => self.kill_loading_spare(&line),
            Effect::Promote { line, worker } => self.promote(&line, worker),
            Effect::Start(line) => self.grant(&line, Ok(())),
            Effect::NoRoom { line, refusal } => self.grant(&line, Err(refusal)),
            Effect::Submit { worker, ticket, job, class } => {
                return self.submit(worker, ticket, (job, class));
            }
            Effect::CancelJob { worker, job } => self.cancel_job(worker, job),
            Effect::Park { worker, job } => {
                if let Some(worker) = self.workers.get_mut(&worker) {
                    worker.say(&ToWorker::Park(job));
                }
            }
            Effect::Stop(worker) => {
                if let Some(worker) = self.workers.get_mut(&worker) {
                    worker.stop();
                }
            }
            Effect::Drained => {
                if self.ending != Ending::No {
                    self.ending = Ending::Now;
                    self.retime.notify_one();
                }
            }
        }
        None
    }

    fn tell_position(
        &mut self,
        ticket: Ticket,
        position: u32,
        wait_ms: Option<u32>,
    ) -> Option<Event> {
        // The first of several completions is the one whose place the client is told.
        let live = self.live.get(&ticket).filter(|live| live.form.choice() == 0)?;
        match live.outbox.send(&live.id, &ToClient::Queued { position, wait_ms }) {
            Err(OutboxError::Full) if live.journal.is_none() => {
                Some(Event::Abandoned { ticket, refusal: slow() })
            }
            // A connection that is over says so by itself.
            Ok(()) | Err(OutboxError::Gone | OutboxError::Full) => None,
        }
    }

    /// Sends the one terminal event of a request.
    fn finish(&mut self, ticket: Ticket, end: End) {
        let Some(mut live) = self.live.remove(&ticket) else {
            return;
        };
        self.leave_job(&mut live);
        self.detached_ended(ticket);
        match std::mem::replace(&mut live.form, Form::Single) {
            Form::Single => self.finish_single(live, end),
            Form::Grammar(rest) => self.compiled(live, *rest, end),
            Form::Choice { group, index } => self.choice_ended(group, index, live, end),
        }
    }

    /// The end of a request that is all of what its client asked.
    pub(super) fn finish_single(&mut self, mut live: Live, end: End) {
        match &end {
            End::Generated(FinishReason::Cancelled) | End::Unheard => self.counts.cancelled += 1,
            End::Refused(_) => self.counts.failed += 1,
            End::Generated(FinishReason::Stop | FinishReason::Length)
            | End::Answered
            | End::Placed
            | End::Drained => self.counts.done += 1,
        }
        match (self.last_word(&mut live, end), &live.journal) {
            (Some(event), Some(journal)) => journal.end(event),
            // One that is gone hears nothing; one that is full is closed by its outbox.
            (Some(event), None) => drop(live.outbox.send(&live.id, &event)),
            (None, _) => {}
        }
    }

    fn last_word(&self, live: &mut Live, end: End) -> Option<ToClient> {
        Some(match end {
            End::Generated(reason) => ToClient::Done(live.done(reason)),
            End::Answered => live.answer.take().unwrap_or_else(|| {
                ToClient::Error(Refusal::new(Code::Internal, "the answer was lost"))
            }),
            End::Placed => ToClient::Loaded(self.info_of(live)),
            End::Drained => ToClient::Done(Done::default()),
            End::Refused(refusal) => ToClient::Error(refusal),
            End::Unheard => return None,
        })
    }

    fn info_of(&self, live: &Live) -> core_wire::client::ModelInfo {
        match &live.ask {
            Ask::Place(model) => self.registry.entry(model).map(|entry| entry.info(model)),
            Ask::Job(_) | Ask::Drain => None,
        }
        .unwrap_or_default()
    }

    /// From here on nobody listens to the request's job.
    fn leave_job(&mut self, live: &mut Live) {
        let Some((worker, job)) = live.job else {
            return;
        };
        let worker = self.workers.get_mut(&worker);
        if let Some(job) = worker.and_then(|worker| worker.ledger.job_mut(job)) {
            job.leave(Instant::now());
            live.usage.completion_tokens = job.sent;
        }
    }

    /// Gives a job to a worker: a new one, or one that continues behind what its client has got.
    /// One whose grammar compiled for another file ends instead.
    fn submit(
        &mut self,
        id: WorkerId,
        ticket: Ticket,
        (job, class): (JobId, Priority),
    ) -> Option<Event> {
        let (live, worker) = (self.live.get_mut(&ticket)?, self.workers.get_mut(&id)?);
        let Ask::Job(work) = &live.ask else {
            return None;
        };
        if work.has_grammar() && work.compiled_for != worker.digest {
            return Some(Event::JobEnded { job, end: End::Refused(changed()) });
        }
        live.job = Some((id, job));
        if !worker.is_awaited() {
            worker.alive_at = Instant::now();
        }
        let shared = match live.form {
            Form::Choice { group, .. } => {
                self.groups.get_mut(&group).and_then(|group| group.shared(job))
            }
            Form::Single | Form::Grammar(_) => None,
        };
        let (kind, reuse) = (work.kind.clone(), live.reuse.take().or(shared));
        let head = Job { job, kind, class, reuse, domain: None, prompt_bytes: 0 };
        let queued = worker.feed.push_job(head, &work.prompt, live.emitted.ids());
        let (outbox, name, choice) = (live.outbox.clone(), live.id.clone(), live.form.choice());
        let journal = live.journal.clone();
        let listener = Listener { ticket, outbox, id: name, choice, journal };
        let emitted = std::mem::take(&mut live.emitted);
        worker.ledger.submit(job, work.want, emitted, listener);
        worker.sent(queued);
        self.demand(id);
        None
    }

    fn cancel_job(&mut self, worker: WorkerId, job: JobId) {
        let Some(worker) = self.workers.get_mut(&worker) else {
            return;
        };
        if let Some(job) = worker.ledger.job_mut(job) {
            job.cancel();
        }
        worker.say(&ToWorker::Cancel(job));
    }

    fn load(&mut self, line: LineId) {
        let Some(core) = self.me.upgrade() else {
            return;
        };
        match line.part {
            Part::Whole => spawn_local(load::serve(core, line)),
            Part::Vocabulary | Part::Grammar => spawn_local(vocabulary::serve(core, line)),
        };
    }

    /// Asks every worker to end; those that are not ready yet are killed.
    pub(super) fn stop_all(&mut self) {
        for worker in self.workers.values_mut() {
            match worker.stage {
                Stage::Serving => worker.stop(),
                Stage::Loading { .. } => worker.dismiss(),
                Stage::Stopping { .. } | Stage::Gone => {}
            }
        }
    }

    pub(super) fn kill_all(&mut self) {
        self.workers.values_mut().for_each(Worker::dismiss);
    }
}

/// What a client is told that does not read its stream.
pub(super) fn slow() -> Refusal {
    let message = "the stream was not read and is full: read it while it comes";
    Refusal::new(Code::SlowClient, message).after(SLOW_RETRY_MS)
}
