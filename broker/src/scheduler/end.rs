//! How requests end before their job does.

use core_wire::{
    client::FinishReason,
    code::{Code, Refusal},
    ids::RequestId,
};

use super::{Deadline, Effect, End, State, Task, Ticket, admit::draining, batch::Share};
use crate::ipc::ConnId;

impl State {
    /// When the next deadline passes, on the clock of `Event::Tick`.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        self.deadlines.first().map(|&(at_ms, _)| at_ms)
    }

    pub(super) fn cancel(&mut self, conn: ConnId, target: String, out: &mut Vec<Effect>) {
        let Ok(id) = RequestId::try_from(target) else {
            return;
        };
        let session = self.sessions.get(&conn);
        if let Some(&ticket) = session.and_then(|session| session.open.get(&id)) {
            self.end(ticket, End::Generated(FinishReason::Cancelled), out);
        }
    }

    pub(super) fn close(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        let Some(session) = self.sessions.get(&conn) else {
            return;
        };
        let open: Vec<_> = session.open.values().copied().collect();
        for ticket in open {
            self.end(ticket, End::Unheard, out);
        }
        self.sessions.remove(&conn);
    }

    pub(super) fn tick(&mut self, now_ms: u64, out: &mut Vec<Effect>) {
        while let Some(&(at_ms, ticket)) = self.deadlines.first()
            && at_ms <= now_ms
        {
            // Ending it removes the entry; this line alone keeps the loop finite if it did not.
            self.deadlines.remove(&(at_ms, ticket));
            let deadline = self.requests.get(&ticket).and_then(|request| request.deadline);
            let after_ms = deadline.map_or(0, |Deadline { after_ms, .. }| after_ms);
            self.end(ticket, End::Refused(passed(after_ms)), out);
        }
    }

    /// Ends everything: what waits is refused, what runs is cancelled.
    pub(super) fn cut(&mut self, out: &mut Vec<Effect>) {
        let all: Vec<_> = self
            .requests
            .iter()
            .filter(|(_, request)| request.task != Task::Drain)
            .map(|(&ticket, request)| (ticket, request.job.is_some(), &request.task))
            .map(|(ticket, runs, task)| (ticket, runs && matches!(task, Task::Generate(_))))
            .collect();
        for (ticket, generates) in all {
            let end = match generates {
                true => End::Generated(FinishReason::Cancelled),
                false => End::Refused(draining()),
            };
            self.end(ticket, end, out);
        }
    }

    /// Ends a request wherever it is. Its job, if any, goes on until the worker lets go of it.
    pub(super) fn end(&mut self, ticket: Ticket, end: End, out: &mut Vec<Effect>) {
        let Some(request) = self.requests.get(&ticket) else {
            return;
        };
        let (job, task, class) = (request.job, request.task.clone(), request.class);
        self.conclude(ticket, end, out);
        if let Some(seat) = job.and_then(|job| self.jobs.get_mut(&job)) {
            seat.ticket = None;
            // A brief job is over before the worker would have read that nobody waits for it.
            if let (Some(job), Share::Slot) = (job, seat.share) {
                out.push(Effect::CancelJob { worker: seat.worker, job });
            }
            return;
        }
        match &task {
            Task::Generate(id) | Task::Brief(id) | Task::Load(id) | Task::Unload(id) => {
                if let Some(line) = self.lines.get_mut(id) {
                    line.remove(&task, class, ticket);
                }
                self.settle(id, out);
            }
            Task::Drain => self.drains.retain(|&other| other != ticket),
        }
    }

    /// Forgets a request and says how it ended: the one place where that is said.
    pub(super) fn conclude(&mut self, ticket: Ticket, end: End, out: &mut Vec<Effect>) {
        self.stop_waiting(ticket);
        let Some(request) = self.requests.remove(&ticket) else {
            return;
        };
        if let Some(session) = self.sessions.get_mut(&request.conn) {
            session.open.remove(&request.id);
        }
        if let Some(deadline) = request.deadline {
            self.deadlines.remove(&(deadline.at_ms, ticket));
        }
        out.push(Effect::Finish { ticket, end });
    }

    /// A request that has no job yet leaves the counts of those that wait.
    pub(super) fn stop_waiting(&mut self, ticket: Ticket) {
        let request = self.requests.get(&ticket);
        let Some(request) = request.filter(|request| request.job.is_none()) else {
            return;
        };
        self.waiting -= 1;
        if let Some(session) = self.sessions.get_mut(&request.conn) {
            session.waiting -= 1;
        }
    }
}

fn passed(after_ms: u32) -> Refusal {
    let message =
        format!("the request was not done within its deadline of {after_ms} ms: allow it more");
    Refusal::new(Code::Deadline, message)
}
