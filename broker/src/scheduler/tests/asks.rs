//! How requests come in, in a history.

use core_wire::client::Priority;

use super::{
    blame::Deaths,
    ops::{Asked, bound_of, task_of},
    world::{Open, World, request},
};
use crate::{
    ipc::ConnId,
    scheduler::{Arrival, Cost, Deadline, Entry, Event, Ticket},
};

impl World {
    pub(super) fn arrive(&mut self, asked: &Asked) {
        let task = task_of(asked.task, self.line(asked.model));
        let (prompt, max_tokens) = (asked.cost.0.into(), asked.cost.1.into());
        let classes = [Priority::Interactive, Priority::Normal, Priority::Batch];
        let deadline = asked.deadline.map(|after| Deadline {
            at_ms: self.now_ms + u64::from(after),
            after_ms: after.into(),
        });
        self.ask(Arrival {
            ticket: Ticket(0),
            conn: ConnId(asked.conn.into()),
            id: request(asked.id),
            entry: Entry::Opens,
            task,
            class: classes[usize::from(asked.class)],
            cost: Cost { prompt, max_tokens },
            bound: bound_of(asked.bound),
            deadline,
        });
    }

    /// Lets a request come in, under a ticket of its own.
    pub(super) fn ask(&mut self, arrival: Arrival) {
        let ticket = Ticket(self.next());
        // Half of those whose name is open are further completions, the others are duplicates.
        let is_open = self.state.is_open(arrival.conn, &arrival.id);
        let joins = ticket.0.is_multiple_of(2) && is_open;
        let entry = if joins { Entry::Joins } else { Entry::Opens };
        let Arrival { task, class, bound, cost: Cost { prompt, max_tokens }, .. } = arrival.clone();
        let (job, told, home, emitted, deaths) = (None, None, None, 0, Deaths::default());
        let open =
            Open { task, class, prompt, max_tokens, emitted, job, told, deaths, bound, home };
        self.open.insert(ticket, open);
        self.step(Event::Arrived(Arrival { ticket, entry, ..arrival }));
    }
}
