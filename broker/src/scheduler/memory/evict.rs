//! Who goes when memory is short: spares, then workers that nobody needs now.

use crate::{
    config::Keep,
    scheduler::{
        Effect, LineId, Part, State, WorkerId, batch::Station, queue::Line, spare::Spare,
        swap::Turnover,
    },
};

/// Who has to go for a wish.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::scheduler) enum Leaver {
    /// The worker of a line, with its spare.
    Worker(LineId),
    /// The spare of a line.
    Spare(LineId),
}

impl State {
    /// Spares, that of the line used least recently first; none that is about to serve.
    pub(super) fn spares_to_evict(&self) -> impl Iterator<Item = LineId> {
        let mut all = Vec::new();
        for id in self.memory.spares.keys() {
            if let Some(line) = self.lines.get(id)
                && let Station::Serving(_) | Station::Finishing(_) = line.station
                && let Spare::Loading | Spare::Ready(_) = line.spare
            {
                all.push((line.used_ms, id.clone()));
            }
        }
        all.sort_unstable();
        all.into_iter().map(|(_, id)| id)
    }

    /// Workers that nobody runs in or waits for, in the order in which they have to go: throwaway
    /// ones, then by class, then whoever was used least recently.
    pub(super) fn evictable(&self) -> Vec<LineId> {
        let mut all = Vec::new();
        for id in self.memory.held.keys() {
            let Some((line, worker)) =
                self.lines.get(id).and_then(|line| line.idle_worker().map(|worker| (line, worker)))
            else {
                continue;
            };
            if line.tenure.keep != Keep::Pinned && line.turnover == Turnover::Settled {
                let whole = id.part == Part::Whole;
                all.push(((whole, line.tenure.keep, line.used_ms, worker), id.clone()));
            }
        }
        all.sort_unstable();
        all.into_iter().map(|(_, id)| id).collect()
    }

    /// Asks those to end that a plan named.
    pub(in crate::scheduler) fn evict_all(&mut self, leavers: &[Leaver], out: &mut Vec<Effect>) {
        for leaver in leavers {
            match leaver {
                Leaver::Worker(id) => self.evict(id, out),
                Leaver::Spare(id) => self.drop_spare(id, out),
            }
        }
    }

    /// Asks a worker with nothing to do to end, and its spare.
    pub(in crate::scheduler) fn evict(&mut self, id: &LineId, out: &mut Vec<Effect>) {
        if let Some(line) = self.lines.get_mut(id)
            && let Some(worker) = line.idle_worker()
        {
            line.station = Station::Stopping(worker);
            out.push(Effect::Stop(worker));
            line.drop_spare(id, out);
        }
    }
}

impl Line {
    /// Its worker, if that runs nothing and nobody waits for it, nor for its end.
    pub(in crate::scheduler) fn idle_worker(&self) -> Option<WorkerId> {
        match self.station {
            Station::Serving(crew)
                if crew.is_idle() && !self.wants_worker() && self.unloads.is_empty() =>
            {
                Some(crew.worker)
            }
            Station::Absent
            | Station::Loading
            | Station::Serving(_)
            | Station::Finishing(_)
            | Station::Stopping(_) => None,
        }
    }
}
