//! Fairness between the sessions of one class: start-time fair queueing, counted in tokens.
//!
//! Each request gets a start on a clock of its lane, behind what its session was charged for
//! already; the smallest start is served next, and the clock stands at the last one that was. Which
//! session has had less is so a matter of comparing keys, and a request's position is the rank of
//! its key (policy/docs/adr/0004). A new session starts at the clock: it waits for nobody's past.

use std::collections::BTreeMap;

use super::{Ticket, ranks::Ranks};
use crate::ipc::ConnId;

/// Where a request stands in its lane. Kept when it is parked: it then stands in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    start: u64,
    ticket: Ticket,
}

impl Place {
    pub(super) fn ticket(self) -> Ticket {
        self.ticket
    }
}

/// The requests of one class that wait for the same thing.
#[derive(Debug, Default)]
pub(super) struct Lane {
    queue: Ranks<Place>,
    /// The start of the request that was served last.
    clock: u64,
    flows: BTreeMap<ConnId, Flow>,
    /// How many of the class are served now.
    served: usize,
    /// Since when the class waits: since one came, or since the last of it left its slot.
    since_ms: u64,
}

/// One session in a lane.
#[derive(Clone, Debug, Default)]
struct Flow {
    /// Where its next request would start: behind everything it was charged for.
    finish: u64,
    /// The start of its newest request, so that a refund never lets a later one pass it.
    last: u64,
}

impl Lane {
    /// Puts a request behind those of its session that it came after.
    pub(super) fn push(&mut self, conn: ConnId, ticket: Ticket, cost: u64, now_ms: u64) -> Place {
        let flow = self.flows.entry(conn).or_default();
        let fair = flow.finish.max(self.clock);
        let start = fair.max(flow.last);
        flow.finish = fair.saturating_add(cost.max(1));
        flow.last = start;
        let place = Place { start, ticket };
        self.put(place, now_ms);
        place
    }

    /// Lets a request wait at its place.
    pub(super) fn put(&mut self, place: Place, now_ms: u64) {
        if self.queue.is_empty() {
            self.since_ms = now_ms;
        }
        self.queue.insert(place);
    }

    /// The next to be served.
    pub(super) fn first(&self) -> Option<Place> {
        self.queue.first()
    }

    /// Serves a request.
    pub(super) fn serve(&mut self, place: Place) {
        self.queue.remove(place);
        self.clock = self.clock.max(place.start);
        self.served += 1;
    }

    /// One that was served is not any more.
    pub(super) fn left(&mut self, now_ms: u64) {
        self.served = self.served.saturating_sub(1);
        self.since_ms = now_ms;
    }

    pub(super) fn remove(&mut self, place: Place) {
        self.queue.remove(place);
    }

    /// Since when nobody of the class is served though somebody waits.
    pub(super) fn waits_since(&self) -> Option<u64> {
        let waits = self.served == 0 && !self.queue.is_empty();
        waits.then_some(self.since_ms)
    }

    /// Corrects what a session was charged for a request by what it took.
    pub(super) fn settle_up(&mut self, conn: ConnId, charged: u64, taken: u64) {
        if let Some(flow) = self.flows.get_mut(&conn) {
            flow.finish = flow.finish.saturating_add(taken).saturating_sub(charged);
        }
    }

    /// Charges a session for a request that it took over.
    pub(super) fn charge(&mut self, conn: ConnId, cost: u64) {
        let flow = self.flows.entry(conn).or_default();
        flow.finish = flow.finish.max(self.clock).saturating_add(cost);
    }

    /// Those who wait, and may move, out of the queue, with the clock and the sessions' shares.
    pub(super) fn hand_over(&mut self, moves: &impl Fn(Ticket) -> bool) -> Self {
        let (clock, since_ms, flows) = (self.clock, self.since_ms, self.flows.clone());
        let mut to = Self { clock, since_ms, flows, ..Self::default() };
        let all = std::mem::take(&mut self.queue);
        for place in all.from(0) {
            let queue = if moves(place.ticket) { &mut to.queue } else { &mut self.queue };
            queue.insert(place);
        }
        to
    }

    /// Forgets a session that has ended.
    pub(super) fn forget(&mut self, conn: ConnId) {
        self.flows.remove(&conn);
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn rank(&self, place: Place) -> usize {
        self.queue.rank(place)
    }

    /// Those who wait, in order, but the first so many.
    pub(super) fn from(&self, skipped: usize) -> impl Iterator<Item = Ticket> {
        self.queue.from(skipped).map(Place::ticket)
    }
}
