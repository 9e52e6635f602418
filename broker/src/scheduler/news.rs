//! Who has to be told where they stand, and when.
//!
//! The first in a line are told at once whenever they move. Those further back move with every
//! request that leaves; telling all of them each time would cost more than serving them, so they
//! are told in sweeps, a bounded number at a time, until everybody knows.

use std::ops::Bound;

use super::{Effect, LineId, State, Task, Ticket, queue::Line};

/// Positions that are told exactly and at once: what somebody who looks at a screen can still hope
/// for. It bounds the frames that one leaving request causes.
pub(super) const FRONT: usize = 64;

/// Requests that one sweep looks at: 256 frames are encoded in well below a millisecond.
pub(super) const SWEEP: usize = 256;

/// Time between two sweeps: a number that changes faster cannot be read.
pub(super) const SWEEP_EACH_MS: u64 = 250;

/// What there is to be told in a line.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Whether somebody in front has moved.
    front: bool,
    /// Whether somebody further back has moved since the sweep began that is under way.
    back: bool,
    /// The position that the sweep has come to.
    sweep: Option<usize>,
}

impl News {
    /// Somebody came to this position; so many wait now.
    pub(super) fn came(&mut self, position: usize, waiting: usize) {
        self.front |= position < FRONT;
        self.back |= waiting > FRONT.max(position + 1);
    }

    /// Somebody left this position; so many wait now.
    pub(super) fn left(&mut self, position: usize, waiting: usize) {
        self.front |= position < FRONT;
        self.back |= waiting > FRONT.max(position);
    }
}

impl State {
    /// Tells the first of a line what changed for them, and sees to the others.
    pub(super) fn tell_front(&mut self, id: &LineId, line: &mut Line, out: &mut Vec<Effect>) {
        if std::mem::take(&mut line.news.front) {
            for (position, ticket) in line.slots.from(0).take(FRONT).enumerate() {
                self.tell(line, ticket, position, out);
            }
        }
        if line.news.back && line.news.sweep.is_none() {
            line.news.back = false;
            line.news.sweep = Some(FRONT);
            self.sweeps.insert(id.clone());
            self.sweep_at_ms.get_or_insert(self.now_ms + SWEEP_EACH_MS);
        }
    }

    /// Tells a request that just came where it stands, however far back that is.
    pub(super) fn tell_newcomer(&mut self, id: &LineId, ticket: Ticket, out: &mut Vec<Effect>) {
        let request = self.requests.get(&ticket).filter(|request| request.told.is_none());
        // Others wait in queues of their own, for moments.
        let request = request.filter(|request| matches!(request.task, Task::Generate(_)));
        let waits = request.filter(|request| request.job.is_none());
        let place = waits.and_then(|request| Some((request.class, request.place?)));
        let Some(((class, place), line)) = place.zip(self.lines.get_mut(id)) else {
            return;
        };
        let line = std::mem::take(line);
        let position = line.slots.position(class, place);
        self.tell(&line, ticket, position, out);
        self.put_line(id, line);
    }

    /// Tells some of those further back, if it is time for that: one line at a time, in turn.
    pub(super) fn sweep(&mut self, out: &mut Vec<Effect>) {
        if self.sweep_at_ms.is_none_or(|at_ms| at_ms > self.now_ms) {
            return;
        }
        if let Some(id) = self.next_sweep() {
            if let Some(line) = self.lines.get_mut(&id) {
                let mut line = std::mem::take(line);
                self.sweep_line(&id, &mut line, out);
                self.put_line(&id, line);
            } else {
                self.sweeps.remove(&id);
            }
            self.swept = Some(id);
        }
        let more = !self.sweeps.is_empty();
        self.sweep_at_ms = more.then_some(self.now_ms + SWEEP_EACH_MS);
    }

    fn next_sweep(&self) -> Option<LineId> {
        let swept = self.swept.as_ref();
        let later = swept
            .and_then(|last| self.sweeps.range((Bound::Excluded(last), Bound::Unbounded)).next());
        later.or_else(|| self.sweeps.first()).cloned()
    }

    fn sweep_line(&mut self, id: &LineId, line: &mut Line, out: &mut Vec<Effect>) {
        let from = line.news.sweep.unwrap_or(FRONT);
        for (ahead, ticket) in line.slots.from(from).take(SWEEP).enumerate() {
            self.tell(line, ticket, from + ahead, out);
        }
        let next = from + SWEEP;
        line.news.sweep = if next < line.slots.len() {
            Some(next)
        } else {
            // Whoever moved meanwhile may stand where this sweep had been already.
            std::mem::take(&mut line.news.back).then_some(FRONT)
        };
        if line.news.sweep.is_none() {
            self.sweeps.remove(id);
        }
    }

    fn tell(&mut self, line: &Line, ticket: Ticket, position: usize, out: &mut Vec<Effect>) {
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        let request = self.requests.get_mut(&ticket);
        if let Some(request) = request.filter(|request| request.told != Some(position)) {
            request.told = Some(position);
            out.push(Effect::Queued { ticket, position, wait_ms: line.wait_ms(position) });
        }
    }

    /// Puts a line back that was taken out to be worked on.
    pub(super) fn put_line(&mut self, id: &LineId, line: Line) {
        if let Some(space) = self.lines.get_mut(id) {
            *space = line;
        }
    }
}
