//! Giving requests to workers, and telling those that nobody waits any more.

#[cfg(test)]
mod tests;

use core_wire::{
    client::Priority,
    code::{Code, Refusal},
    ids::JobId,
    worker::{Job, JobKind, ToWorker},
};
use tokio::time::Instant;

use super::{
    Core,
    generate::changed,
    live::{Ask, Form, Listener, Live, Work},
    worker::Worker,
};
use crate::{
    models::hash::Digest,
    scheduler::{End, Event, Ticket, WorkerId},
};

/// What a request's tokens came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Home {
    /// The content of the files; `None` before it was given to a worker.
    digest: Option<Digest>,
    /// Digest of the vocabulary; 0 is unknown, and equal to nothing.
    vocabulary: u64,
}

impl Core {
    /// Gives a request to a worker, unless it needs none any more.
    pub(super) fn assign(
        &mut self,
        id: WorkerId,
        ticket: Ticket,
        (job, class): (JobId, Priority),
    ) -> Option<Event> {
        match self.live.get_mut(&ticket).filter(|live| live.writes) {
            Some(live) => live.waits_for_file(id, job),
            None => self.submit(id, ticket, (job, class)),
        }
    }

    /// Gives a job to a worker: a new one, or one that continues behind what its client has got.
    /// One that this worker cannot continue ends instead.
    fn submit(
        &mut self,
        id: WorkerId,
        ticket: Ticket,
        (job, class): (JobId, Priority),
    ) -> Option<Event> {
        if let Some(refusal) = self.objection(id, ticket) {
            return Some(Event::JobEnded { job, end: End::Refused(refusal) });
        }
        let (live, worker) = (self.live.get_mut(&ticket)?, self.workers.get_mut(&id)?);
        let Ask::Job(work) = &live.ask else {
            return None;
        };
        live.home = Home::of(worker);
        live.job = Some((id, job));
        if matches!(work.kind, JobKind::Restore) {
            return self.begin_restore(id, ticket, (job, class));
        }
        worker.expects(work.want, Instant::now());
        let shared = match live.form {
            Form::Choice { group, .. } => {
                self.groups.get_mut(&group).and_then(|group| group.shared(job))
            }
            Form::Single | Form::Grammar(_) => None,
        };
        let (kind, reuse) = (work.kind.clone(), live.reuse.take().or(shared));
        let domain = work.scope.domain(live.session);
        worker.domains.extend(domain);
        let head = Job { job, kind, class, reuse, domain, prompt_bytes: 0 };
        let queued = worker.feed.push_job(head, &work.prompt, live.emitted.ids());
        let (outbox, name, choice) = (live.outbox.clone(), live.id.clone(), live.form.choice());
        let (emitted, journal) = (std::mem::take(&mut live.emitted), live.journal.clone());
        let listener = Listener { ticket, outbox, id: name, choice, journal };
        worker.ledger.submit(job, work.want, emitted, listener);
        worker.sent(queued);
        self.demand(id);
        None
    }

    /// Why a request is not given to a worker after all.
    fn objection(&mut self, id: WorkerId, ticket: Ticket) -> Option<Refusal> {
        let (live, worker) = (self.live.get(&ticket)?, self.workers.get(&id)?);
        let Ask::Job(work) = &live.ask else {
            return None;
        };
        let saves = matches!(work.kind, JobKind::Save);
        let misplaced = misplaced(live, work, worker);
        misplaced.or_else(|| saves.then(|| self.begin_save(id, ticket).err())?)
    }

    pub(super) fn cancel_job(&mut self, worker: WorkerId, job: JobId) {
        let Some(worker) = self.workers.get_mut(&worker) else {
            return;
        };
        if let Some(job) = worker.ledger.job_mut(job) {
            job.cancel();
        }
        worker.say(&ToWorker::Cancel(job));
    }
}

impl Home {
    fn of(worker: &Worker) -> Self {
        Self { digest: worker.digest, vocabulary: worker.facts.vocabulary }
    }

    /// Whether tokens from here can be continued there.
    fn continues(self, there: Self) -> bool {
        let same = self.vocabulary != 0 && self.vocabulary == there.vocabulary;
        self.digest.is_none() || self.digest == there.digest || same
    }
}

/// Why a worker cannot be given a job, although its line can.
fn misplaced(live: &Live, work: &Work, worker: &Worker) -> Option<Refusal> {
    if work.has_grammar() && work.compiled_for != worker.digest {
        return Some(changed());
    }
    if matches!(work.kind, JobKind::Save) && live.was_given() {
        return Some(context_lost());
    }
    let continues = live.emitted.count() == 0 || live.home.continues(Home::of(worker));
    (!continues).then(replaced)
}

/// The file of a model was replaced by one of another vocabulary, and then its worker was lost.
fn replaced() -> Refusal {
    let message = "the worker was lost, and the model's file is another one by now, which cannot \
                   continue these tokens: ask again";
    Refusal::new(Code::ModelChanged, message).after(0)
}

/// What a client is told whose context went with its worker: the next one has nothing to save.
fn context_lost() -> Refusal {
    let message = "the worker was lost while it saved the context, and that with it: begin anew";
    Refusal::new(Code::WorkerLost, message).after(0)
}
