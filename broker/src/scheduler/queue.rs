//! What waits for one worker.

use core_wire::client::Priority;

use super::{Effect, State, Task, Ticket, batch::Station, priority::Lanes};

/// One line: its worker, and everybody who waits for it.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Its worker, if any.
    pub(super) station: Station,
    /// Wait for a slot.
    pub(super) slots: Lanes,
    /// Wait for a moment.
    pub(super) briefs: Lanes,
    /// Wait for the worker itself.
    pub(super) loads: Vec<Ticket>,
    /// Wait for its end.
    pub(super) unloads: Vec<Ticket>,
}

impl Line {
    /// Whether somebody needs a worker.
    pub(super) fn wants_worker(&self) -> bool {
        !self.slots.is_empty() || !self.briefs.is_empty() || !self.loads.is_empty()
    }

    /// Whether nobody needs this entry.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.station, Station::Absent) && !self.wants_worker() && self.unloads.is_empty()
    }

    /// Puts a request where its task waits.
    pub(super) fn push(&mut self, task: &Task, class: Priority, ticket: Ticket) {
        match task {
            Task::Generate(_) => self.slots.push(class, ticket),
            Task::Brief(_) => self.briefs.push(class, ticket),
            Task::Load(_) => self.loads.push(ticket),
            Task::Unload(_) => self.unloads.push(ticket),
            Task::Drain => {}
        }
    }

    /// Takes a request out again.
    pub(super) fn remove(&mut self, task: &Task, class: Priority, ticket: Ticket) {
        match task {
            Task::Generate(_) => self.slots.remove(class, ticket),
            Task::Brief(_) => self.briefs.remove(class, ticket),
            Task::Load(_) => self.loads.retain(|&other| other != ticket),
            Task::Unload(_) => self.unloads.retain(|&other| other != ticket),
            Task::Drain => {}
        }
    }

    /// Everybody who needs a worker and has none, in order, out of the queues.
    pub(super) fn take_all(&mut self) -> Vec<Ticket> {
        let mut all: Vec<_> = std::mem::take(&mut self.slots).iter().collect();
        all.extend(std::mem::take(&mut self.briefs).iter());
        all.append(&mut self.loads);
        all
    }
}

impl State {
    /// Tells everybody in the model's queue whose position is not the one that was told last.
    ///
    /// One pass over at most `waiting_max` requests for each request that leaves: a queue that is
    /// long enough for this to matter is one whose clients wait for seconds.
    pub(super) fn tell_positions(&mut self, line: &Line, out: &mut Vec<Effect>) {
        for (ahead, ticket) in line.slots.iter().enumerate() {
            let position = u32::try_from(ahead).unwrap_or(u32::MAX);
            let request = self.requests.get_mut(&ticket);
            let Some(request) = request.filter(|request| request.told != Some(position)) else {
                continue;
            };
            request.told = Some(position);
            out.push(Effect::Queued { ticket, position });
        }
    }

    /// Requests of a class that wait for a slot.
    pub(crate) fn depth(&self, class: Priority) -> usize {
        let lines = self.lines.values();
        lines.map(|line| line.slots.depth(class)).sum()
    }
}
