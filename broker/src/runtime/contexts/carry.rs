//! A context on its way from a worker to cache/, and back.
//!
//! Both are brief jobs of the model's worker. The file is read when the worker is there to take it,
//! because only then is it known which content it serves; it is written after the worker has let go
//! of the job, which keeps its place in the scheduler until the file is on the disk. So a request
//! has ended only when what it asked for is done.

use std::rc::Rc;

use core_wire::{
    client::{ContextInfo, Event as ToClient, Priority},
    code::{Code, Refusal},
    ids::JobId,
    worker::{Job, JobKind, ModelFacts},
};
use tokio::{sync::oneshot, task::spawn_local, time::Instant};

use super::saved::unknown;
use crate::{
    memory::{
        Charge,
        cache::{CacheError, Restored, Taken},
    },
    runtime::{
        Core,
        jobs::broken_answer,
        live::{Ask, Listener, Live},
    },
    scheduler::{End, Event, Ticket, WorkerId},
    workers::{
        feed::Held,
        link::{self, Emitted, Want},
    },
};

/// What the I/O thread will answer.
type Coming<T> = oneshot::Receiver<Result<T, CacheError>>;

impl Core {
    /// A worker is there for a context: reads the file, then gives it to the worker.
    pub(in crate::runtime) fn begin_restore(
        &mut self,
        id: WorkerId,
        ticket: Ticket,
        (job, class): (JobId, Priority),
    ) -> Option<Event> {
        let core = self.me.upgrade()?;
        let (charge, reading) = match self.read_context(id, ticket) {
            Ok(begun) => begun,
            Err(refusal) => return Some(Event::JobEnded { job, end: End::Refused(refusal) }),
        };
        spawn_local(async move {
            let read = said(reading).await;
            let mut core = core.borrow_mut();
            let given = read.and_then(|read| core.give(id, ticket, (job, class), (read, charge)));
            if let Err(refusal) = given {
                core.drive(Event::JobEnded { job, end: End::Refused(refusal) });
            }
        });
        None
    }

    fn read_context(
        &self,
        id: WorkerId,
        ticket: Ticket,
    ) -> Result<(Charge, Coming<Restored>), Refusal> {
        let (place, belongs) = self.of_job(id, ticket).ok_or_else(lost)?;
        let folder = self.folder()?;
        let bytes = folder.size(&place).ok_or_else(|| unknown(&place))?;
        let charge = self.contexts.budget.charge(usize::try_from(bytes).unwrap_or(usize::MAX))?;
        let read = move || folder.restore(&place, &belongs, bytes);
        Ok((charge, self.hasher.do_once(read)))
    }

    /// Gives a worker a context that was read for it.
    fn give(
        &mut self,
        id: WorkerId,
        ticket: Ticket,
        (job, class): (JobId, Priority),
        (restored, charge): (Restored, Charge),
    ) -> Result<(), Refusal> {
        let live = self.live.get_mut(&ticket).ok_or_else(lost)?;
        let worker = self.workers.get_mut(&id).ok_or_else(lost)?;
        let want = Want::Count { bytes: restored.state.len() };
        worker.expects(want, Instant::now());
        live.file_bytes = restored.file_bytes;
        let domain = Some(live.session.domain);
        worker.domains.extend(domain);
        let kind = JobKind::Restore;
        let head = Job { job, kind, class, reuse: None, domain, prompt_bytes: 0 };
        let held = Rc::new(Held::new(restored.state, charge));
        let queued = worker.feed.push_state(head, &held);
        let (outbox, name) = (live.outbox.clone(), live.id.clone());
        let listener = Listener { ticket, outbox, id: name, choice: 0, journal: None };
        worker.ledger.submit(job, want, Emitted::default(), listener);
        worker.sent(queued);
        self.demand(id);
        Ok(())
    }

    /// A worker has told a context: writes it, and only then ends the request.
    pub(in crate::runtime) fn state_answered(
        &mut self,
        id: WorkerId,
        job: JobId,
        answered: link::Job<Listener>,
    ) {
        let ticket = answered.listener.as_ref().map(|listener| listener.ticket);
        let (Some(ticket), Some(core)) = (ticket, self.me.upgrade()) else {
            // Nobody wants it any more.
            return self.drive(Event::JobEnded { job, end: End::Answered });
        };
        if answered.answer.len() != answered.length {
            let end = End::Refused(too_large(answered.length, answered.want.state_bytes()));
            self.drive(Event::JobEnded { job, end });
            return self.demand(id);
        }
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        let Some(tokens) = tokens_of_state(&answered.answer, &worker.facts) else {
            return worker.condemn(broken_answer(job));
        };
        self.demand(id);
        let writing = match self.write_context(id, ticket, answered.answer) {
            Ok(writing) => writing,
            Err(refusal) => {
                return self.drive(Event::JobEnded { job, end: End::Refused(refusal) });
            }
        };
        let held = self.live.get_mut(&ticket).and_then(Live::begin_writing);
        spawn_local(async move {
            let written = said(writing).await;
            // What it took stays counted until here, even if its client has gone.
            drop(held);
            core.borrow_mut().context_saved(ticket, job, tokens, written);
        });
    }

    fn write_context(
        &self,
        id: WorkerId,
        ticket: Ticket,
        state: Vec<u8>,
    ) -> Result<Coming<Taken>, Refusal> {
        let (place, belongs) = self.of_job(id, ticket).ok_or_else(lost)?;
        let (folder, quota) = (self.folder()?, self.setup.config.cache.quota_bytes);
        Ok(self.hasher.do_once(move || folder.save(&place, belongs, &state, quota)))
    }

    fn context_saved(
        &mut self,
        ticket: Ticket,
        job: JobId,
        tokens: u32,
        written: Result<Taken, Refusal>,
    ) {
        let (answer, end) = match written {
            Ok(Taken { file_bytes: bytes, saved_bytes }) => {
                self.contexts.saved_bytes = saved_bytes;
                (ToClient::Context(ContextInfo { tokens, bytes }), End::Answered)
            }
            Err(refusal) => (ToClient::Error(refusal.clone()), End::Refused(refusal)),
        };
        let mut job = job;
        if let Some(live) = self.live.get_mut(&ticket) {
            // Another job by now, or none, where its worker was lost meanwhile.
            job = live.job.map_or(job, |(_, job)| job);
            live.answer = Some(answer);
        }
        self.drive(Event::JobEnded { job, end });
    }
}

impl Live {
    /// Its context was told and is being written: answers what holds its bytes meanwhile.
    fn begin_writing(&mut self) -> Option<Rc<Held>> {
        self.writes = true;
        match &self.ask {
            Ask::Job(work) => Some(work.prompt.clone()),
            Ask::Place(_) | Ask::Drain => None,
        }
    }

    /// How it ends, where its context was told and written while its worker was lost.
    fn written(&self) -> Option<End> {
        let answer = self.answer.as_ref().filter(|_| self.writes)?;
        if let ToClient::Error(refusal) = answer {
            return Some(End::Refused(refusal.clone()));
        }
        Some(End::Answered)
    }

    /// Its worker was lost after it had told a context: only the file is waited for.
    pub(in crate::runtime) fn waits_for_file(
        &mut self,
        worker: WorkerId,
        job: JobId,
    ) -> Option<Event> {
        self.job = Some((worker, job));
        self.written().map(|end| Event::JobEnded { job, end })
    }
}

/// What the I/O thread answered.
async fn said<T>(coming: Coming<T>) -> Result<T, Refusal> {
    match coming.await {
        Ok(answer) => answer.map_err(Refusal::from),
        Err(_) => Err(Refusal::new(Code::Internal, "the thread that reads files is gone")),
    }
}

/// Tokens of a state that a worker told: their count, then they themselves, then what the engine
/// has of them. `None` for what begins in another way.
fn tokens_of_state(state: &[u8], facts: &ModelFacts) -> Option<u32> {
    let (count, rest) = state.split_first_chunk()?;
    let count = u32::from_le_bytes(*count);
    let (ids, _) = rest.as_chunks::<4>();
    let ids = ids.get(..usize::try_from(count).ok()?)?;
    let known = ids.iter().all(|id| u32::from_le_bytes(*id) < facts.n_vocab);
    (known && (1..=facts.n_ctx).contains(&count)).then_some(count)
}

fn too_large(bytes: usize, max: usize) -> Refusal {
    let message = format!(
        "the context takes {bytes} bytes and one may take {max}: raise `[cache] context_mib`, or \
         save a shorter one"
    );
    Refusal::new(Code::Memory, message)
}

pub(super) fn lost() -> Refusal {
    Refusal::new(Code::WorkerLost, "the worker or the request of a saved context is gone").after(0)
}
