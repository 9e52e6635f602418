//! The three classes and their order.

use std::collections::VecDeque;

use core_wire::client::Priority;

use super::Ticket;

/// Requests that wait for the same thing: class by class, and within a class as they came.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    interactive: VecDeque<Ticket>,
    normal: VecDeque<Ticket>,
    batch: VecDeque<Ticket>,
}

impl Lanes {
    pub(super) fn push(&mut self, class: Priority, ticket: Ticket) {
        self.lane_mut(class).push_back(ticket);
    }

    /// The next to be served: the oldest of the highest class that has any.
    pub(super) fn pop(&mut self) -> Option<Ticket> {
        self.interactive
            .pop_front()
            .or_else(|| self.normal.pop_front())
            .or_else(|| self.batch.pop_front())
    }

    /// Takes a request out, wherever it stands.
    pub(super) fn remove(&mut self, class: Priority, ticket: Ticket) {
        self.lane_mut(class).retain(|&other| other != ticket);
    }

    /// Everybody, in the order in which they would be served.
    pub(super) fn iter(&self) -> impl Iterator<Item = Ticket> {
        let lanes = self.interactive.iter().chain(&self.normal);
        lanes.chain(&self.batch).copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.interactive.is_empty() && self.normal.is_empty() && self.batch.is_empty()
    }

    /// How many of a class wait.
    pub(super) fn depth(&self, class: Priority) -> usize {
        match class {
            Priority::Interactive => self.interactive.len(),
            Priority::Normal => self.normal.len(),
            Priority::Batch => self.batch.len(),
        }
    }

    fn lane_mut(&mut self, class: Priority) -> &mut VecDeque<Ticket> {
        match class {
            Priority::Interactive => &mut self.interactive,
            Priority::Normal => &mut self.normal,
            Priority::Batch => &mut self.batch,
        }
    }
}
