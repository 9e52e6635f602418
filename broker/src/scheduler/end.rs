//! How requests end before their job does.

use std::collections::BTreeSet;

use core_wire::{
    client::FinishReason,
    code::{Code, Refusal},
    ids::RequestId,
};

use super::{Deadline, Effect, End, LineId, State, Task, Ticket, admit::draining, seat::Share};
use crate::ipc::ConnId;

impl State {
    /// When the next deadline passes or somebody is to be told where they stand, on the clock of
    /// `Event::Tick`; `None` while there is nothing to wait for.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        let deadline = self.deadlines.first().map(|&(at_ms, _)| at_ms);
        let expiry = self.expiries.first().map(|&(at_ms, _)| at_ms);
        let all = deadline.into_iter().chain(self.sweep_at_ms).chain(expiry);
        all.chain(self.parks_at_ms()).min()
    }

    pub(super) fn cancel(&mut self, conn: ConnId, target: String, out: &mut Vec<Effect>) {
        let Ok(id) = RequestId::try_from(target) else {
            return;
        };
        let session = self.sessions.get(&conn);
        let open = session.and_then(|session| session.open.get(&id)).cloned();
        for ticket in open.unwrap_or_default() {
            self.end(ticket, End::Generated(FinishReason::Cancelled), out);
        }
    }

    pub(super) fn close(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        let Some(session) = self.sessions.get(&conn) else {
            return;
        };
        let open = session.open.values().flatten();
        let open: Vec<_> = open.map(|&ticket| (ticket, End::Unheard)).collect();
        self.end_all(open, out);
        self.sessions.remove(&conn);
        for line in self.lines.values_mut() {
            line.slots.forget(conn);
            line.briefs.forget(conn);
            line.texts.forget(conn);
        }
    }

    pub(super) fn tick(&mut self, now_ms: u64, out: &mut Vec<Effect>) {
        self.set_now(now_ms);
        let mut late = Vec::new();
        while let Some(&(at_ms, ticket)) = self.deadlines.first()
            && at_ms <= now_ms
        {
            self.deadlines.remove(&(at_ms, ticket));
            let deadline = self.requests.get(&ticket).and_then(|request| request.deadline);
            let after_ms = deadline.map_or(0, |Deadline { after_ms, .. }| after_ms);
            late.push((ticket, End::Refused(passed(after_ms))));
        }
        self.end_all(late, out);
        self.expire(out);
        self.sweep(out);
    }

    /// Ends everything: what waits is refused, what runs is cancelled.
    pub(super) fn cut(&mut self, out: &mut Vec<Effect>) {
        let all: Vec<_> = self
            .requests
            .iter()
            .filter(|(_, request)| request.task != Task::Drain)
            .map(|(&ticket, request)| {
                let generates = matches!(request.task, Task::Generate(_));
                let end = match request.job.is_some() || request.emitted > 0 {
                    true if generates => End::Generated(FinishReason::Cancelled),
                    true | false => End::Refused(draining()),
                };
                (ticket, end)
            })
            .collect();
        self.end_all(all, out);
    }

    /// Ends several requests; those who are left are told once where they stand.
    fn end_all(&mut self, all: Vec<(Ticket, End)>, out: &mut Vec<Effect>) {
        let mut lines = BTreeSet::new();
        for (ticket, end) in all {
            lines.extend(self.withdraw(ticket, end, out));
        }
        for id in &lines {
            self.settle(id, out);
        }
    }

    /// Ends a request wherever it is. Its job, if any, goes on until the worker lets go of it.
    pub(super) fn end(&mut self, ticket: Ticket, end: End, out: &mut Vec<Effect>) {
        if let Some(id) = self.withdraw(ticket, end, out) {
            self.settle(&id, out);
        }
    }

    /// Ends a request; answers the line that it no longer waits in.
    fn withdraw(&mut self, ticket: Ticket, end: End, out: &mut Vec<Effect>) -> Option<LineId> {
        let request = self.requests.get(&ticket)?;
        let (job, task) = (request.job, request.task.clone());
        let at = request.place.map(|place| (request.class, place));
        self.conclude(ticket, end, out);
        if let Some(seat) = job.and_then(|job| self.jobs.get_mut(&job)) {
            seat.ticket = None;
            match (job, seat.share) {
                (Some(job), Share::Slot | Share::Text) => {
                    out.push(Effect::CancelJob { worker: seat.worker, job });
                }
                // It is over before the worker would have read that nobody waits for it.
                (Some(_), Share::Brief) | (None, _) => {}
            }
            return None;
        }
        match &task {
            Task::Generate(id)
            | Task::Brief(id)
            | Task::Embed(id)
            | Task::Load(id)
            | Task::Unload(id) => {
                self.leave_swap(&id.model, ticket);
                self.lines.get_mut(id)?.remove(&task, ticket, at);
                Some(id.clone())
            }
            Task::Swap { from, .. } => {
                self.leave_swap(&from.model, ticket);
                None
            }
            Task::Drain => {
                self.drains.remove(&ticket);
                None
            }
        }
    }

    /// Forgets a request and says how it ended: the one place where that is said.
    pub(super) fn conclude(&mut self, ticket: Ticket, end: End, out: &mut Vec<Effect>) {
        self.stop_waiting(ticket);
        let Some(request) = self.requests.remove(&ticket) else {
            return;
        };
        if let Some(session) = self.sessions.get_mut(&request.conn) {
            session.leave(&request.id, ticket);
        }
        self.settle_up(&request);
        if let Some(deadline) = request.deadline {
            self.deadlines.remove(&(deadline.at_ms, ticket));
        }
        out.push(Effect::Finish { ticket, end });
    }

    /// Whether a request has got every token that it asked for. Its worker said so many and was
    /// lost, or gave it up, before it said that this was the end; the next one would say one too
    /// many.
    pub(super) fn is_complete(&self, ticket: Ticket) -> bool {
        self.requests.get(&ticket).is_some_and(|request| {
            let max = request.cost.max_tokens;
            matches!(request.task, Task::Generate(_)) && max > 0 && request.emitted >= max
        })
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
