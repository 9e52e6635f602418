//! Doing what the scheduler answers.

use std::collections::VecDeque;

use core_wire::{
    client::{Done, Event as ToClient, FinishReason},
    code::{Code, Refusal},
    ids::DomainId,
};
use tokio::{task::spawn_local, time::Instant};

use super::{
    Core,
    live::{Ask, Form, Live},
    load, vocabulary,
};
use crate::{
    ipc::OutboxError,
    scheduler::{self, Effect, End, Event, LineId, Part, Ticket},
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
            Effect::Start(line) => {
                self.registry.starts(&line);
                self.grant(&line, Ok(()));
            }
            Effect::NoRoom { line, refusal } => self.grant(&line, Err(refusal)),
            Effect::Submit { worker, ticket, job, class } => {
                return self.assign(worker, ticket, (job, class));
            }
            Effect::CancelJob { worker, job } => self.cancel_job(worker, job),
            Effect::Park { worker, job } => {
                if let Some(worker) = self.workers.get_mut(&worker) {
                    worker.park(job, Instant::now());
                }
            }
            Effect::Stop(worker) => {
                if let Some(worker) = self.workers.get_mut(&worker) {
                    worker.stop();
                }
            }
            Effect::Draining(line) => self.registry.drains(&line),
            Effect::Swapped { from, to } => self.swapped(&from, &to),
            Effect::Kept(line) => {
                self.registry.kept(&line);
                return self.spare_after_swap(&line);
            }
            Effect::Retired(line) => self.retired(&line),
            Effect::Drained => self.end_once_told(),
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
        self.left_domain(live.session.domain);
        match std::mem::replace(&mut live.form, Form::Single) {
            Form::Single => self.finish_single(live, end),
            Form::Grammar(rest) => self.compiled(live, *rest, end),
            Form::Choice { group, index } => self.choice_ended(group, index, live, end),
        }
    }

    /// The end of a request that is all of what its client asked.
    pub(super) fn finish_single(&mut self, mut live: Live, end: End) {
        if live.session.domain == DomainId::PUBLIC {
            return self.own_ended(&live, &end);
        }
        match &end {
            End::Generated(FinishReason::Cancelled) | End::Unheard => self.counts.cancelled += 1,
            End::Refused(refusal) => self.count_failed(refusal.code),
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

    fn load(&mut self, line: LineId) {
        let Some(core) = self.me.upgrade() else {
            return;
        };
        match line.part {
            Part::Whole => spawn_local(load::serve(core, line)),
            Part::Vocabulary | Part::Grammar => spawn_local(vocabulary::serve(core, line)),
        };
    }
}

/// What a client is told that does not read its stream.
pub(super) fn slow() -> Refusal {
    let message = "the stream was not read and is full: read it while it comes";
    Refusal::new(Code::SlowClient, message).after(SLOW_RETRY_MS)
}
