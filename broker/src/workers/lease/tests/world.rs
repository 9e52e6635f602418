//! Workers that obey, in any order of events.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::{
    scheduler::WorkerId,
    workers::lease::{Demand, Leases, NotAsked, QUANTUM_MS, Turn},
};

/// One thing that may happen to one of four workers.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Enter(u8, u32),
    Busy(u8),
    Idle(u8),
    Pauses(u8),
    Gone(u8),
    Wait(u64),
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let one = 0..4_u8;
    prop_oneof![
        2 => (one.clone(), 1..6_u32).prop_map(|(id, threads)| Op::Enter(id, threads)),
        4 => one.clone().prop_map(Op::Busy),
        2 => one.clone().prop_map(Op::Idle),
        4 => one.clone().prop_map(Op::Pauses),
        1 => one.prop_map(Op::Gone),
        4 => (0..80_u64).prop_map(Op::Wait),
    ]
}

/// What the workers themselves know: who computes, who was asked, who has work.
#[derive(Debug)]
pub(super) struct World {
    leases: Leases,
    threads: BTreeMap<WorkerId, u32>,
    computing: BTreeSet<WorkerId>,
    asked: BTreeSet<WorkerId>,
    busy: BTreeSet<WorkerId>,
    now_ms: u64,
}

impl World {
    pub(super) fn new(cores: u32) -> Self {
        let leases = Leases::new(cores);
        let (threads, now_ms) = (BTreeMap::new(), 0);
        let (computing, asked, busy) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Self { leases, threads, computing, asked, busy, now_ms }
    }

    pub(super) fn apply(&mut self, op: Op) {
        let id = |number: u8| WorkerId(u64::from(number));
        match op {
            Op::Enter(number, threads) => self.enter(id(number), threads),
            Op::Busy(number) => self.demand(id(number), Demand::Busy),
            Op::Idle(number) => self.demand(id(number), Demand::Idle),
            Op::Pauses(number) => self.pause(id(number)),
            Op::Gone(number) => {
                let sets = [&mut self.computing, &mut self.asked, &mut self.busy];
                sets.into_iter().for_each(|set| set.retain(|&other| other != id(number)));
                self.threads.remove(&id(number));
                let turns = self.leases.gone(id(number), self.now_ms);
                self.obey(turns);
            }
            Op::Wait(ms) => {
                self.now_ms += ms;
                let turns = self.leases.tick(self.now_ms);
                self.obey(turns);
            }
        }
        self.check();
    }

    fn enter(&mut self, worker: WorkerId, threads: u32) {
        if !self.threads.contains_key(&worker) {
            self.threads.insert(worker, threads.min(self.leases.cores()));
            self.leases.enter(worker, threads);
        }
    }

    fn demand(&mut self, worker: WorkerId, demand: Demand) {
        if self.threads.contains_key(&worker) {
            match demand {
                Demand::Busy => self.busy.insert(worker),
                Demand::Idle => self.busy.remove(&worker),
            };
        }
        let turns = self.leases.demand(worker, demand, self.now_ms);
        self.obey(turns);
    }

    fn pause(&mut self, worker: WorkerId) {
        if self.asked.remove(&worker) {
            self.computing.remove(&worker);
            let turns = self.leases.paused(worker, self.now_ms).unwrap();
            self.obey(turns);
        } else {
            assert_eq!(self.leases.paused(worker, self.now_ms), Err(NotAsked));
        }
    }

    fn obey(&mut self, turns: Vec<Turn>) {
        for turn in turns {
            match turn {
                Turn::Run(worker) => {
                    assert!(self.busy.contains(&worker), "cores for who has nothing to do");
                    assert!(self.computing.insert(worker), "it computes already");
                }
                Turn::Pause(worker) => {
                    assert!(self.computing.contains(&worker), "it does not compute");
                    assert!(self.asked.insert(worker), "it was asked already");
                }
            }
        }
    }

    fn check(&self) {
        let lent: u32 = self.computing.iter().map(|worker| self.threads[worker]).sum();
        let told: u32 = self.threads.keys().map(|&worker| self.leases.lent(worker)).sum();
        assert_eq!(told, lent);
        assert!(lent <= self.leases.cores(), "{lent} threads compute");
        let waits = self.busy.difference(&self.computing).next().is_some();
        let due = self.leases.next_due_ms();
        assert!(waits || due.is_none(), "a timer though nobody waits");
        assert!(!waits || due.is_some() || !self.asked.is_empty(), "somebody waits for nothing");
    }

    /// Everybody answers and time passes: whoever has work gets its turn within one round.
    pub(super) fn serve_all(&mut self) {
        let mut unserved = self.busy.clone();
        for _ in 0..2 * self.threads.len() {
            self.apply(Op::Wait(QUANTUM_MS));
            for worker in self.asked.clone() {
                self.pause(worker);
            }
            unserved.retain(|worker| !self.computing.contains(worker));
        }
        assert!(unserved.is_empty(), "{unserved:?} starve");
    }
}
