//! The three classes: strict order, and ageing so that nothing starves.

use core_wire::client::Priority;

use super::{
    Ticket,
    fair::{Lane, Place},
};
use crate::ipc::ConnId;

/// How long the normal class may be kept from being served by a higher one. Whoever sent such a
/// request waits for it, and looks elsewhere after a few seconds.
const NORMAL_AGE_MS: u64 = 2_000;

/// How long the batch class may be: nobody looks, and each time costs interactive requests a slot.
const BATCH_AGE_MS: u64 = 10_000;

/// The classes from the highest.
const CLASSES: [Priority; 3] = [Priority::Interactive, Priority::Normal, Priority::Batch];

/// Requests that wait for the same thing: class by class, and fairly within a class.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    interactive: Lane,
    normal: Lane,
    batch: Lane,
    /// Why the last one was served.
    last: Turn,
}

/// Why a request is the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Turn {
    /// Its class is the highest that waits.
    #[default]
    Class,
    /// Its class has waited too long.
    Age,
}

/// Who is to be served next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next {
    pub(super) class: Priority,
    pub(super) place: Place,
    pub(super) turn: Turn,
}

impl Lanes {
    pub(super) fn push(
        &mut self,
        class: Priority,
        (conn, ticket): (ConnId, Ticket),
        cost: u64,
        now_ms: u64,
    ) -> Place {
        self.lane_mut(class).push(conn, ticket, cost, now_ms)
    }

    /// The next to be served. A class that is too old goes first, but never twice in a row: where
    /// slots become free more slowly than classes age, the highest class still gets every other.
    pub(super) fn next(&self, now_ms: u64) -> Option<Next> {
        let aged = match self.last {
            Turn::Class => self.aged(now_ms),
            Turn::Age => None,
        };
        let highest = || CLASSES.into_iter().find(|&class| !self.lane(class).is_empty());
        let (class, turn) = match aged {
            Some(class) => (class, Turn::Age),
            None => (highest()?, Turn::Class),
        };
        Some(Next { class, place: self.lane(class).first()?, turn })
    }

    /// The class that is over its age for longest, if a higher one waits as well.
    fn aged(&self, now_ms: u64) -> Option<Priority> {
        let ages = [(Priority::Normal, NORMAL_AGE_MS), (Priority::Batch, BATCH_AGE_MS)];
        let due = ages.into_iter().filter_map(|(class, age_ms)| {
            let due_ms = self.lane(class).waits_since()? + age_ms;
            (due_ms <= now_ms).then_some((due_ms, class))
        });
        let (_, class) = due.min()?;
        let outranked =
            CLASSES.into_iter().any(|other| other < class && !self.lane(other).is_empty());
        outranked.then_some(class)
    }

    /// Serves the one that [`Self::next`] named.
    pub(super) fn serve(&mut self, next: Next) {
        self.lane_mut(next.class).serve(next.place);
        self.last = next.turn;
    }

    pub(super) fn lane(&self, class: Priority) -> &Lane {
        match class {
            Priority::Interactive => &self.interactive,
            Priority::Normal => &self.normal,
            Priority::Batch => &self.batch,
        }
    }

    pub(super) fn lane_mut(&mut self, class: Priority) -> &mut Lane {
        match class {
            Priority::Interactive => &mut self.interactive,
            Priority::Normal => &mut self.normal,
            Priority::Batch => &mut self.batch,
        }
    }

    /// Requests in front of a place in the usual order; ageing may serve others before.
    pub(super) fn position(&self, class: Priority, place: Place) -> usize {
        let higher = CLASSES.into_iter().filter(|&other| other < class);
        let higher: usize = higher.map(|other| self.lane(other).len()).sum();
        higher + self.lane(class).rank(place)
    }

    /// Everybody from a position on, in the usual order.
    pub(super) fn from(&self, position: usize) -> impl Iterator<Item = Ticket> {
        let normal = position.saturating_sub(self.interactive.len());
        let batch = normal.saturating_sub(self.normal.len());
        let higher = self.interactive.from(position).chain(self.normal.from(normal));
        higher.chain(self.batch.from(batch))
    }

    pub(super) fn len(&self) -> usize {
        self.interactive.len() + self.normal.len() + self.batch.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those who wait, and may move, out of the queues, with what is known of their sessions.
    pub(super) fn hand_over(&mut self, moves: &impl Fn(Ticket) -> bool) -> Self {
        Self {
            interactive: self.interactive.hand_over(moves),
            normal: self.normal.hand_over(moves),
            batch: self.batch.hand_over(moves),
            last: self.last,
        }
    }

    /// Forgets a session that has ended.
    pub(super) fn forget(&mut self, conn: ConnId) {
        CLASSES.into_iter().for_each(|class| self.lane_mut(class).forget(conn));
    }
}
