//! How long a worker stays with nothing to do, and which one comes though nobody asks.

use super::{Effect, LineId, State, batch::Station, queue::Line, swap::Turnover};

impl State {
    /// A line is to have a worker: it was configured to be there from the start, or to stay, and
    /// its worker went.
    pub(super) fn wanted(&mut self, id: &LineId, out: &mut Vec<Effect>) {
        if self.is_draining() {
            return;
        }
        let line = self.lines.entry(id.clone()).or_default();
        match line.station {
            Station::Absent | Station::Stopping(_) => line.wanted = true,
            // There is one, or it comes.
            Station::Loading | Station::Serving(_) | Station::Finishing(_) => {}
        }
        self.settle(id, out);
    }

    /// Notes when a line's worker has to go, should nothing come meanwhile, or when it is somebody
    /// else's turn. A timer is armed only for one that has nothing to do, or keeps somebody
    /// waiting.
    pub(super) fn note_expiry(&mut self, id: &LineId, line: &mut Line) {
        let expires_at_ms = line.expiry_ms().or_else(|| line.hearing_due_ms());
        if line.expires_at_ms == expires_at_ms {
            return;
        }
        if let Some(old_ms) = line.expires_at_ms {
            self.expiries.remove(&(old_ms, id.clone()));
        }
        if let Some(at_ms) = expires_at_ms {
            self.expiries.insert((at_ms, id.clone()));
        }
        line.expires_at_ms = expires_at_ms;
    }

    /// Ends the workers whose time is over, and takes turns where it is time for that.
    ///
    /// Ends with the set: every turn takes one out, and what a turn arms lies in the future.
    pub(super) fn expire(&mut self, out: &mut Vec<Effect>) {
        while let Some((at_ms, id)) = self.expiries.first().cloned()
            && at_ms <= self.now_ms
        {
            self.expiries.remove(&(at_ms, id.clone()));
            let Some(line) = self.lines.get_mut(&id) else {
                continue;
            };
            line.expires_at_ms = None;
            if line.expiry_ms().is_some_and(|at_ms| at_ms <= self.now_ms) {
                self.evict(&id, out);
            } else {
                self.settle(&id, out);
            }
        }
    }
}

impl Line {
    /// When its worker has stayed for as long as it may; `None` while it is in use, or for one
    /// that may stay for ever. A swap sees to the workers of its lines itself.
    fn expiry_ms(&self) -> Option<u64> {
        let idle = self.turnover == Turnover::Settled && self.idle_worker().is_some();
        let idle_ms = self.tenure.idle_ms.filter(|_| idle)?;
        Some(self.used_ms.saturating_add(idle_ms))
    }
}
