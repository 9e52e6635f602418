//! Memory: what each worker was granted, who waits for some, and who has to go for it.
//!
//! A line asks once it is known what its worker takes, and holds that until the worker is gone.
//! Wishes are served in the order in which they came. The first is granted at once where it fits;
//! where workers with nothing to do are in its way, as few of them as are needed are asked to end,
//! and it waits for that and for nothing else; otherwise it is refused. So whoever waits here waits
//! for processes that end within seconds, and never for a request of somebody else: there is no
//! circle to wait in.

use std::collections::{BTreeMap, VecDeque};

use core_wire::code::{Code, Refusal};

use super::{Effect, LineId, Part, State, batch::Station, queue::Line, swap::Turnover};
use crate::config::Keep;

/// When to try again after `MEMORY`: a short answer's time on a small machine, after which one of
/// the models that were busy may have nothing to do.
const MEMORY_RETRY_MS: u32 = 1_000;

/// What workers hold of the budget.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    held: BTreeMap<LineId, u64>,
    /// In the order of their arrival; at most one for each line.
    wishes: VecDeque<Wish>,
}

/// A line that waits for memory.
#[derive(Debug)]
struct Wish {
    line: LineId,
    bytes: u64,
}

/// What can be done for a wish.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// It fits.
    Grant,
    /// It fits once those have ended who end already.
    Wait,
    /// It fits once these have ended too.
    Evict(Vec<LineId>),
    /// It does not.
    Refuse,
}

impl Ledger {
    /// A line's worker is gone, or does not come.
    pub(super) fn release(&mut self, line: &LineId) {
        self.held.remove(line);
        self.wishes.retain(|wish| wish.line != *line);
    }

    /// A wish in front of all others.
    pub(super) fn wish_first(&mut self, line: LineId, bytes: u64) {
        self.wishes.push_front(Wish { line, bytes });
    }

    fn held(&self, line: &LineId) -> u64 {
        self.held.get(line).copied().unwrap_or(0)
    }

    fn granted(&self) -> u64 {
        self.held.values().fold(0, |sum, &bytes| sum.saturating_add(bytes))
    }
}

impl State {
    /// Bytes that workers were granted.
    pub(crate) fn granted(&self) -> u64 {
        self.memory.granted()
    }

    /// A line's worker takes so much; who waits for that is served at the end of the step.
    pub(super) fn sized(&mut self, line: LineId, bytes: u64, vocabulary: u64) {
        self.note_vocabulary(&line, vocabulary);
        self.memory.wishes.push_back(Wish { line, bytes });
    }

    /// Grants, evicts and swaps as far as that goes now.
    ///
    /// Ends: a wish is taken out or waits, and each turn after the first one had a swap in it that
    /// no longer waits for its old worker.
    pub(super) fn place_workers(&mut self, out: &mut Vec<Effect>) {
        for _ in 0..=self.swaps.len() {
            self.serve_wishes(out);
            if !self.advance_swaps(out) {
                return;
            }
        }
        self.serve_wishes(out);
    }

    fn serve_wishes(&mut self, out: &mut Vec<Effect>) {
        while let Some(Wish { line, bytes }) = self.memory.wishes.pop_front() {
            match self.plan(&line, bytes, None) {
                Plan::Grant => {
                    self.memory.held.insert(line.clone(), bytes);
                    out.push(Effect::Start(line));
                }
                Plan::Evict(lines) => {
                    lines.iter().for_each(|id| self.evict(id, out));
                    return self.memory.wish_first(line, bytes);
                }
                Plan::Wait => return self.memory.wish_first(line, bytes),
                Plan::Refuse if self.clear_for(&line, bytes) => {}
                Plan::Refuse => self.refuse_memory(line, bytes, out),
            }
        }
    }

    /// What can be done for a wish, should `leaving` end as well.
    pub(super) fn plan(&self, line: &LineId, bytes: u64, leaving: Option<&LineId>) -> Plan {
        let free = self.limits.memory_bytes.saturating_sub(self.memory.granted());
        if bytes <= free {
            return Plan::Grant;
        }
        let mut after = free.saturating_add(leaving.map_or(0, |line| self.memory.held(line)));
        for (id, bytes) in &self.memory.held {
            let station = self.lines.get(id).map(|line| line.station);
            if matches!(station, Some(Station::Stopping(_))) {
                after = after.saturating_add(*bytes);
            }
        }
        if bytes <= after {
            return Plan::Wait;
        }
        if !self.is_needed(line) {
            return Plan::Refuse;
        }
        let mut evicted = Vec::new();
        for id in self.evictable() {
            after = after.saturating_add(self.memory.held(&id));
            evicted.push(id);
            if bytes <= after {
                return Plan::Evict(evicted);
            }
        }
        Plan::Refuse
    }

    /// Whether anybody would be served by a line's worker: nobody has to go for one that is loaded
    /// for nobody any more.
    fn is_needed(&self, id: &LineId) -> bool {
        let wanted = self.lines.get(id).is_some_and(Line::wants_worker);
        wanted || self.swaps.values().any(|swap| swap.to == *id)
    }

    /// Workers that nobody runs in or waits for, in the order in which they have to go: throwaway
    /// ones, then by class, then whoever was used least recently.
    fn evictable(&self) -> Vec<LineId> {
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

    /// Asks the worker of a line to end that [`Self::evictable`] named.
    pub(super) fn evict(&mut self, id: &LineId, out: &mut Vec<Effect>) {
        if let Some(line) = self.lines.get_mut(id)
            && let Some(worker) = line.idle_worker()
        {
            line.station = Station::Stopping(worker);
            out.push(Effect::Stop(worker));
        }
    }

    /// Says that the memory for a line cannot be had, and why.
    pub(super) fn refuse_memory(&mut self, line: LineId, bytes: u64, out: &mut Vec<Effect>) {
        let refusal = self.too_little(&line, bytes);
        out.push(Effect::NoRoom { line, refusal });
    }

    fn too_little(&self, line: &LineId, bytes: u64) -> Refusal {
        let (model, budget) = (&line.model, self.limits.memory_bytes);
        let (needs, has) = (mib(bytes), mib(budget));
        if bytes > budget {
            let message = format!(
                "a worker for {model} takes {needs} MiB, and the budget of all workers is {has} \
                 MiB: give it a smaller context or fewer slots, or raise budget_mib of [memory]"
            );
            return Refusal::new(Code::Memory, message);
        }
        let holders = self.memory.held.keys().filter(|id| *id != line);
        let held = mib(self.memory.granted());
        let pinned = holders
            .clone()
            .filter(|id| self.lines.get(*id).is_some_and(|line| line.tenure.keep == Keep::Pinned));
        let message = format!(
            "a worker for {model} takes {needs} MiB; of the budget of {has} MiB {held} are held by \
             {} workers that are busy, loading or pinned ({} pinned): try again when one has \
             nothing to do, unload one, or raise budget_mib of [memory]",
            holders.count(),
            pinned.count(),
        );
        Refusal::new(Code::Memory, message).after(MEMORY_RETRY_MS)
    }
}

impl Line {
    /// Its worker, if that runs nothing and nobody waits for it, nor for its end.
    pub(super) fn idle_worker(&self) -> Option<super::WorkerId> {
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

/// Whole mebibytes, rounded up.
fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}
