//! Memory: what each worker was granted, who waits for some, and who has to go for it.
//!
//! A line asks once it is known what its worker takes, and holds that until the worker is gone, or
//! until the next one asks where the worker was lost with what it ran.
//! Wishes are served in the order in which they came. The first is granted at once where it fits;
//! where workers with nothing to do are in its way, as few of them as are needed are asked to end,
//! and it waits for that and for nothing else; otherwise it is refused. So whoever waits here waits
//! for processes that end within seconds, and never for a request of somebody else: there is no
//! circle to wait in. Spares have what is left over: nobody goes for one, and they go first.

mod evict;

use std::collections::{BTreeMap, VecDeque};

use core_wire::code::{Code, Refusal};

use self::evict::Leaver;
use super::{Effect, LineId, State, batch::Station, queue::Line, spare::Spare};
use crate::config::Keep;

/// When to try again after `MEMORY`: a short answer's time on a small machine, after which one of
/// the models that were busy may have nothing to do.
const MEMORY_RETRY_MS: u32 = 1_000;

/// What workers hold of the budget.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    held: BTreeMap<LineId, u64>,
    /// What their spares hold beside that.
    spares: BTreeMap<LineId, u64>,
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
    Evict(Vec<Leaver>),
    /// It does not.
    Refuse,
}

impl Ledger {
    /// A line's worker is gone, or does not come.
    pub(super) fn release(&mut self, line: &LineId) {
        self.held.remove(line);
    }

    /// A line's spare is gone, or does not come.
    pub(super) fn release_spare(&mut self, line: &LineId) {
        self.spares.remove(line);
    }

    /// A line's worker is gone, and its spare takes its place: with what that was granted, or, if
    /// it was not yet, with what the lost one had for those who ran there.
    pub(super) fn succeed(&mut self, line: &LineId, kept: bool) {
        match self.spares.remove(line) {
            Some(bytes) => drop(self.held.insert(line.clone(), bytes)),
            None if kept => {}
            None => self.release(line),
        }
    }

    /// What is being started for a line does not come.
    pub(super) fn drop_wish(&mut self, line: &LineId) {
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
        let all = self.held.values().chain(self.spares.values());
        all.fold(0, |sum, &bytes| sum.saturating_add(bytes))
    }

    /// What is granted to others than the next worker of a line: what its lost one held is kept
    /// for that.
    fn granted_beside(&self, line: &LineId) -> u64 {
        self.granted().saturating_sub(self.held(line))
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
            if self.loads_spare(&line) {
                self.serve_spare(line, bytes, out);
                continue;
            }
            match self.plan(&line, bytes, None) {
                Plan::Grant => {
                    self.memory.held.insert(line.clone(), bytes);
                    out.push(Effect::Start(line));
                }
                Plan::Evict(leavers) => {
                    self.evict_all(&leavers, out);
                    return self.memory.wish_first(line, bytes);
                }
                Plan::Wait => return self.memory.wish_first(line, bytes),
                Plan::Refuse if self.clear_for(&line, bytes, out) => {}
                Plan::Refuse => self.refuse_memory(line, bytes, out),
            }
        }
    }

    /// A spare gets what is free, or is tried again later: nobody goes for it, and nobody who came
    /// later waits for it.
    fn serve_spare(&mut self, line: LineId, bytes: u64, out: &mut Vec<Effect>) {
        let free = self.limits.memory_bytes.saturating_sub(self.memory.granted());
        let spare = self.lines.get(&line).map(|line| line.spare);
        if bytes <= free && spare == Some(Spare::Loading) {
            self.memory.spares.insert(line.clone(), bytes);
            out.push(Effect::Start(line));
        } else {
            self.refuse_memory(line, bytes, out);
        }
    }

    /// What can be done for a wish, should `leaving` end as well.
    pub(super) fn plan(&self, line: &LineId, bytes: u64, leaving: Option<&LineId>) -> Plan {
        let granted = self.memory.granted_beside(line);
        let free = self.limits.memory_bytes.saturating_sub(granted);
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
        for (id, bytes) in &self.memory.spares {
            let spare = self.lines.get(id).map(|line| line.spare);
            if matches!(spare, Some(Spare::Dropped | Spare::Ending(_))) {
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
        let spares = self.spares_to_evict().map(Leaver::Spare);
        for leaver in spares.chain(self.evictable().into_iter().map(Leaver::Worker)) {
            after = after.saturating_add(match &leaver {
                Leaver::Worker(id) => self.memory.held(id),
                Leaver::Spare(id) => self.memory.spares.get(id).copied().unwrap_or(0),
            });
            evicted.push(leaver);
            if bytes <= after {
                return Plan::Evict(evicted);
            }
        }
        Plan::Refuse
    }

    /// Whether anybody would be served by a line's worker: nobody has to go for one that is loaded
    /// for nobody any more.
    pub(super) fn is_needed(&self, id: &LineId) -> bool {
        let wanted = self.lines.get(id).is_some_and(Line::wants_worker);
        wanted || self.swaps.values().any(|swap| swap.to == *id)
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
        let held = mib(self.memory.granted_beside(line));
        let others = self.memory.held.keys().filter(|&other| other != line);
        let holders = others.count() + self.memory.spares.len();
        let pinned =
            |id: &&LineId| self.lines.get(*id).is_some_and(|line| line.tenure.keep == Keep::Pinned);
        let pinned = self.memory.held.keys().filter(pinned).count();
        let message = format!(
            "a worker for {model} takes {needs} MiB; of the budget of {has} MiB {held} are held by \
             {holders} workers that are busy, loading or pinned ({pinned} pinned): try again when \
             one has nothing to do, unload one, or raise budget_mib of [memory]"
        );
        Refusal::new(Code::Memory, message).after(MEMORY_RETRY_MS)
    }
}

/// Whole mebibytes, rounded up.
fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}
