//! The engine and the step loop in one, with no numbers in the cells but who computed them.

use std::collections::{BTreeMap, BTreeSet};

use core_wire::ids::{DomainId, JobId};
use llama_cpp_2::token::LlamaToken;

use crate::context::{
    cache::{Act, Ask, Begun, Cache, Entry, Limits, Live},
    cells::{Cells, distinct},
    pool::{Sharing, Slot},
};

/// Sequences that run at once.
const SLOTS: usize = 4;

/// Cells that nobody who runs may see.
const IDLE: u32 = 60;

/// For whom a cell was computed: a domain since it was last forgotten, or a job alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Domain(DomainId, u32),
    Job(JobId),
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    id: u64,
    token: LlamaToken,
    owner: Owner,
}

/// A sequence that runs, and all of whose tokens are computed.
struct Running {
    job: JobId,
    domain: Option<DomainId>,
    /// Whose cells it may see.
    may: BTreeSet<Owner>,
    tokens: Vec<LlamaToken>,
    slot: Slot,
    cells: Cells,
}

impl Running {
    fn live(&self) -> Live<'_> {
        let Self { job, domain, tokens, slot, cells, .. } = self;
        Live { job: *job, domain: *domain, slot: slot.id(), tokens, cells }
    }
}

/// A job that gave way, and what it had.
type Paused = (JobId, Option<DomainId>, Vec<LlamaToken>, BTreeSet<Owner>);

/// What sessions do; a number names the sequence that does it, if it is there.
#[derive(Clone, Debug)]
pub(super) enum Move {
    /// A prompt of `length`, the first `same` tokens of which all prompts have.
    Start {
        domain: Option<u64>,
        same: i32,
        kind: i32,
        length: i32,
        names: bool,
    },
    Grow(usize),
    End(usize),
    Drop(usize),
    Pause(usize),
    Forget(u64),
    Settle,
    Evict,
}

/// All of it.
pub(super) struct World {
    cache: Cache,
    sharing: Sharing,
    engine: BTreeMap<i32, Vec<Cell>>,
    running: Vec<Running>,
    paused: Vec<Paused>,
    forgotten: BTreeMap<DomainId, u32>,
    /// Whose cells sequences of an owner have seen, which are its own since.
    seen: BTreeMap<Owner, BTreeSet<Owner>>,
    made: u64,
    /// Cells that did not have to be computed.
    pub(super) cached: u32,
}

impl World {
    pub(super) fn new(sharing: Sharing, sequences: u32) -> Self {
        let cache = Cache::new(Limits { n_ctx: 200, idle: IDLE, sequences, sharing });
        let (engine, running, paused, forgotten, seen) = Default::default();
        Self { cache, sharing, engine, running, paused, forgotten, seen, made: 0, cached: 0 }
    }

    pub(super) fn apply(&mut self, step: &Move) {
        let there = |at: usize| at < self.running.len();
        match *step {
            Move::Start { domain, same, kind, length, names } => {
                let id = |at| if at < same { 0 } else { kind * 1000 } + at;
                let tokens = (0..length).map(|at| LlamaToken::new(id(at))).collect();
                self.start(domain.map(DomainId), tokens, names);
            }
            Move::Grow(at) if there(at) => self.grow(at),
            Move::End(at) if there(at) => self.end(at, None),
            Move::Pause(at) if there(at) => self.end(at, Some(self.running[at].job)),
            Move::Drop(at) if there(at) => {
                let slot = self.running.remove(at).slot;
                self.cache.release(slot);
                self.cache.trim(&live(&self.running));
            }
            Move::Grow(_) | Move::End(_) | Move::Pause(_) | Move::Drop(_) => {}
            Move::Forget(domain) => self.forget(DomainId(domain)),
            Move::Settle => self.cache.settle(),
            Move::Evict => drop(self.cache.drop_one()),
        }
        self.perform();
        self.check();
    }

    fn start(&mut self, domain: Option<DomainId>, mut tokens: Vec<LlamaToken>, names: bool) {
        if self.running.len() == SLOTS {
            return;
        }
        self.made += 1;
        let job = JobId(self.made);
        let owner = self.owner(domain, job);
        let public = domain.map(|_| self.owner(Some(DomainId::PUBLIC), job));
        let mut may = self.seen.get(&owner).cloned().unwrap_or_default();
        // What it computes once its domain was forgotten is its own.
        may.extend([owner, Owner::Job(job)].into_iter().chain(public));
        let mut named = None;
        let mut extend = |of, theirs: &BTreeSet<Owner>| {
            // The broker names no job of another domain; a cache must not rely on it.
            if of == domain {
                may.extend(theirs);
            }
        };
        if names && let Some((job, of, had, theirs)) = self.paused.pop() {
            (named, tokens) = (Some(job), had);
            tokens.push(LlamaToken::new(77));
            extend(of, &theirs);
        } else if names && let Some(twin) = self.running.last() {
            (named, tokens) = (Some(twin.job), twin.tokens.clone());
            extend(twin.domain, &twin.may);
        }
        let ask = Ask { domain, named, tokens: &tokens };
        let begun = self.cache.begin(&ask, &live(&self.running));
        self.perform();
        let Begun { slot, cells, cached } = begun.expect("there is an id");
        self.cached += cached;
        let place = self.engine.entry(slot.id()).or_default();
        assert_eq!(place.len(), cached as usize, "told is what is there");
        assert!(place.len() < tokens.len() && cells.count() as usize == tokens.len());
        let allowed = |cell: &Cell, token| cell.token == token && may.contains(&cell.owner);
        for (cell, &token) in place.iter().zip(&tokens) {
            assert!(allowed(cell, token), "{cell:?} for {token} of {domain:?}");
        }
        self.seen.entry(owner).or_default().extend(place.iter().map(|cell| cell.owner));
        self.running.push(Running { job, domain, may, tokens, slot, cells });
        self.compute(self.running.len() - 1);
    }

    fn grow(&mut self, at: usize) {
        let running = &mut self.running[at];
        running.tokens.push(LlamaToken::new(5));
        running.cells.grow();
        self.compute(at);
    }

    fn end(&mut self, at: usize, job: Option<JobId>) {
        let Running { domain, may, tokens, slot, cells, .. } = self.running.remove(at);
        self.paused.extend(job.map(|job| (job, domain, tokens.clone(), may)));
        let entry = Entry { job, domain, tokens: tokens.into(), slot, cells };
        self.cache.keep(entry, &live(&self.running));
    }

    fn forget(&mut self, domain: DomainId) {
        self.cache.forget(domain);
        *self.forgotten.entry(domain).or_default() += 1;
        let gone = self.running.iter_mut().filter(|r| r.domain == Some(domain));
        gone.for_each(|running| running.domain = None);
    }

    fn owner(&self, domain: Option<DomainId>, job: JobId) -> Owner {
        let times = |domain| self.forgotten.get(&domain).copied().unwrap_or(0);
        domain.map_or(Owner::Job(job), |domain| Owner::Domain(domain, times(domain)))
    }

    fn compute(&mut self, at: usize) {
        let running = &self.running[at];
        let owner = self.owner(running.domain, running.job);
        let place = self.engine.entry(running.slot.id()).or_default();
        for &token in &running.tokens[place.len()..] {
            self.made += 1;
            place.push(Cell { id: self.made, token, owner });
        }
    }

    fn perform(&mut self) {
        for act in self.cache.acts() {
            match act {
                Act::Cut { slot, from } => {
                    let cells = self.engine.entry(slot).or_default();
                    let whole = from == 0 || from as usize >= cells.len();
                    assert!(whole || self.sharing == Sharing::Parts, "a state that moves on");
                    cells.truncate(from as usize);
                }
                Act::Share { from, to, count } => {
                    assert_eq!(self.sharing, Sharing::Parts);
                    assert!(self.engine.get(&to).is_none_or(Vec::is_empty), "a used place");
                    let cells = self.engine[&from][..count as usize].to_vec();
                    self.engine.insert(to, cells);
                }
            }
        }
    }

    /// Cells are counted as there are, and what is kept is what the engine has.
    fn check(&self) {
        let live = live(&self.running);
        let ids = |slot: &i32| self.engine.get(slot).into_iter().flatten().map(|cell| cell.id);
        let running: BTreeSet<u64> = live.iter().flat_map(|live| ids(&live.slot)).collect();
        assert_eq!(distinct(live.iter().map(|live| live.cells)) as usize, running.len());
        let all: BTreeSet<u64> = self.engine.keys().flat_map(ids).collect();
        assert_eq!(self.cache.cells(&live) as usize, all.len());
        assert!(all.difference(&running).count() <= IDLE as usize);
        for entry in &self.cache.kept {
            let cells = &self.engine[&entry.slot.id()];
            assert!(cells.iter().map(|cell| &cell.token).eq(entry.tokens.iter()));
        }
    }
}

fn live(running: &[Running]) -> Vec<Live<'_>> {
    running.iter().map(Running::live).collect()
}
