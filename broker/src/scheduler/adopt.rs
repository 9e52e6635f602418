//! A request moves to another session: it outlives its connection, or is adopted by a new one.

use core_wire::{code::Refusal, ids::RequestId};

use super::{LineId, Session, State, Task, Ticket, admit::full};
use crate::ipc::ConnId;

impl State {
    /// The requests that are open under a name.
    pub(crate) fn open_as(&self, conn: ConnId, id: &RequestId) -> &[Ticket] {
        let session = self.sessions.get(&conn);
        session.and_then(|session| session.open.get(id)).map_or(&[], Vec::as_slice)
    }

    /// The line that a request waits in or runs for.
    pub(crate) fn line_of(&self, ticket: Ticket) -> Option<&LineId> {
        match &self.requests.get(&ticket)?.task {
            Task::Generate(line)
            | Task::Brief(line)
            | Task::Embed(line)
            | Task::Load(line)
            | Task::Unload(line) => Some(line),
            Task::Swap { .. } | Task::Drain => None,
        }
    }

    /// Whether a request may move to a session: one that waits counts there as if it had arrived.
    ///
    /// # Errors
    /// `QUEUE_FULL` where too many wait in it already.
    pub(crate) fn may_move(&self, ticket: Ticket, conn: ConnId) -> Result<(), Refusal> {
        let waits = self.requests.get(&ticket).is_some_and(|request| request.job.is_none());
        let waiting = self.sessions.get(&conn).map_or(0, |session| session.waiting);
        let per_session_max = self.limits.per_session_max;
        if waits && waiting >= per_session_max {
            return Err(full("this session has", waiting, per_session_max));
        }
        Ok(())
    }

    /// Moves a request to another session that is open, under a name that is free there. It keeps
    /// its place; what it takes from now on is charged to its new session.
    pub(super) fn moved(&mut self, ticket: Ticket, conn: ConnId, id: RequestId) {
        let (Some(request), Some(to)) =
            (self.requests.get_mut(&ticket), self.sessions.get_mut(&conn))
        else {
            return;
        };
        let waits = request.job.is_none();
        to.open.entry(id.clone()).or_default().push(ticket);
        to.waiting += usize::from(waits);
        let old = (request.conn, std::mem::replace(&mut request.id, id));
        request.conn = conn;
        let (class, charged, taken) = (request.class, request.charged, request.taken());
        let task = request.task.clone();
        if let Some(from) = self.sessions.get_mut(&old.0) {
            from.leave(&old.1, ticket);
            from.waiting -= usize::from(waits);
        }
        if let Task::Generate(line) = &task
            && let Some(line) = self.lines.get_mut(line)
        {
            let lane = line.slots.lane_mut(class);
            lane.settle_up(old.0, charged, taken);
            lane.charge(conn, charged.saturating_sub(taken));
        }
    }
}

impl Session {
    /// Forgets a request; its name is free once nothing else has it.
    pub(super) fn leave(&mut self, id: &RequestId, ticket: Ticket) {
        if let Some(tickets) = self.open.get_mut(id) {
            tickets.retain(|&other| other != ticket);
            if tickets.is_empty() {
                self.open.remove(id);
            }
        }
    }
}
