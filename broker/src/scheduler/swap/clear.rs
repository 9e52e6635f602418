//! Where the two files do not fit beside each other: the old worker has to go first.

use core_wire::ids::ModelId;

use super::{Phase, Turnover};
use crate::scheduler::{
    Bound, Effect, LineId, State,
    batch::{Crew, Station},
    memory::Plan,
    seat::{Share, Stay},
};

impl State {
    /// When jobs have to give way to a swap.
    pub(in crate::scheduler) fn parks_at_ms(&self) -> Option<u64> {
        let due = self.swaps.values().filter_map(|swap| match swap.phase {
            Phase::Loading => None,
            // An old worker that dies meanwhile has nothing left to give up.
            Phase::Clearing { parks_at_ms, .. } => {
                let station = self.lines.get(&swap.from).map(|line| line.station);
                parks_at_ms.filter(|_| matches!(station, Some(Station::Serving(_))))
            }
        });
        due.min()
    }

    /// Whether the new worker would fit in the place of the old one; then that gets nothing new.
    pub(in crate::scheduler) fn clear_for(
        &mut self,
        line: &LineId,
        bytes: u64,
        out: &mut Vec<Effect>,
    ) -> bool {
        let Some(swap) = self.swaps.get(&line.model).filter(|swap| swap.to == *line) else {
            return false;
        };
        if swap.displaced || self.plan(line, bytes, Some(&swap.from)) == Plan::Refuse {
            return false;
        }
        let old = self.lines.get_mut(&swap.from);
        let vocabulary = old.map_or(0, |old| {
            old.drop_spare(&swap.from, out);
            old.turnover = Turnover::Held;
            if old.station == Station::Absent {
                // Nothing comes in the place of a worker that was lost.
                self.memory.release(&swap.from);
            }
            old.tenure.vocabulary
        });
        let same = vocabulary != 0 && vocabulary == swap.vocabulary;
        let parks_at_ms = same.then(|| self.now_ms.saturating_add(self.limits.swap_drain_ms));
        if let Some(swap) = self.swaps.get_mut(&line.model) {
            swap.phase = Phase::Clearing { bytes, parks_at_ms };
        }
        true
    }

    /// Takes the next step of swaps that wait for their old worker; answers whether one was taken.
    pub(in crate::scheduler) fn advance_swaps(&mut self, out: &mut Vec<Effect>) -> bool {
        let clearing = self.swaps.iter().filter_map(|(model, swap)| match swap.phase {
            Phase::Loading => None,
            Phase::Clearing { bytes, .. } => {
                Some((model.clone(), swap.from.clone(), swap.to.clone(), bytes))
            }
        });
        let mut advanced = false;
        for (model, from, to, bytes) in clearing.collect::<Vec<_>>() {
            let station = self.lines.get(&from).map(|line| line.station).unwrap_or_default();
            match station {
                Station::Absent => {
                    self.displace((from, None), to, bytes, out);
                    advanced = true;
                }
                Station::Serving(crew) if crew.is_idle() => {
                    self.displace((from, Some(crew)), to, bytes, out);
                    advanced = true;
                }
                Station::Serving(crew) => self.give_way(&model, crew, out),
                Station::Loading | Station::Finishing(_) | Station::Stopping(_) => {}
            }
        }
        advanced
    }

    /// The old worker runs nothing: it ends, unless the new one fits without that by now, or would
    /// not even fit then.
    fn displace(
        &mut self,
        (from, crew): (LineId, Option<Crew>),
        to: LineId,
        bytes: u64,
        out: &mut Vec<Effect>,
    ) {
        let beside = self.plan(&to, bytes, None) != Plan::Refuse;
        let instead = if beside { Plan::Refuse } else { self.plan(&to, bytes, Some(&from)) };
        if let Some(swap) = self.swaps.get_mut(&to.model) {
            swap.phase = Phase::Loading;
            swap.displaced = instead != Plan::Refuse && crew.is_some();
        }
        match instead {
            Plan::Refuse => {
                if let Some(line) = self.lines.get_mut(&from).filter(|_| crew.is_some()) {
                    line.turnover = Turnover::Kept;
                }
                match beside {
                    true => self.memory.wish_first(to, bytes),
                    false => self.refuse_memory(to, bytes, out),
                }
                return self.settle(&from, out);
            }
            Plan::Evict(leavers) => self.evict_all(&leavers, out),
            Plan::Grant | Plan::Wait => {}
        }
        if let (Some(line), Some(crew)) = (self.lines.get_mut(&from), crew) {
            line.station = Station::Stopping(crew.worker);
            out.push(Effect::Stop(crew.worker));
            line.drop_spare(&from, out);
        }
        self.memory.wish_first(to, bytes);
    }

    /// Asks what still runs to give way once its time is over. What is bound to the old file, and
    /// what cannot continue elsewhere, comes to its end first.
    fn give_way(&mut self, model: &ModelId, crew: Crew, out: &mut Vec<Effect>) {
        let Some(Phase::Clearing { parks_at_ms: at, .. }) =
            self.swaps.get_mut(model).map(|swap| &mut swap.phase)
        else {
            return;
        };
        if at.is_none_or(|at_ms| at_ms > self.now_ms) {
            return;
        }
        *at = None;
        let seats = self.jobs.iter_mut().filter(|(_, seat)| seat.worker == crew.worker);
        for (&job, seat) in seats.filter(|(_, seat)| seat.share == Share::Slot) {
            let request = seat.ticket.and_then(|ticket| self.requests.get(&ticket));
            let moves = request.is_some_and(|request| request.bound != Bound::Edition);
            if moves && seat.stay != Stay::Leaves {
                seat.stay = Stay::Leaves;
                out.push(Effect::Park { worker: crew.worker, job });
            }
        }
    }
}
