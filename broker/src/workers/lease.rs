//! Whose turn it is to compute: leases of cores, as a pure state machine.
//!
//! Two teams of threads on the same cores are not half as fast as one but many times slower: each
//! waits at its barriers for threads that the kernel has taken away (measured: 122 tokens/s became
//! 15, and once 0.4). So a worker computes only while it holds a lease of as many cores as it has
//! threads, and what is lent never exceeds the cores that there are. Who has work and no lease
//! waits in one queue, in order of arrival. Who holds one keeps it, without a record or a timer,
//! until somebody waits; then it is asked for it, at once when it has nothing to do, and otherwise
//! once it has had its [`QUANTUM_MS`]. The first in the queue is never passed by a smaller one, so
//! that a worker with many threads does not starve.
//!
//! What is not counted: a worker that loads or warms up its model, one that only tokenizes or
//! compiles a grammar (one thread, for milliseconds), the thread that hashes files, which waits for
//! a disk, and the broker itself.
//!
//! What holds after every event, whatever their order:
//! 1. the threads of workers between `Run` and their `Paused`, or their end, never exceed the
//!    cores;
//! 2. `Run` is said to who does not hold a lease, `Pause` once to who holds one;
//! 3. while somebody waits, somebody else is being asked or will be when [`Leases::next_due_ms`]
//!    says; while nobody waits, nothing is due.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use crate::scheduler::WorkerId;

/// How long a worker computes while others wait. Switching costs the rest of a step and a wake-up,
/// some milliseconds; with a few models a reader still gets several words a second from each.
pub(crate) const QUANTUM_MS: u64 = 50;

/// Something that has to be told to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Compute.
    Run(WorkerId),
    /// Give the cores back.
    Pause(WorkerId),
}

/// What a worker has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Nothing that needs cores.
    Idle,
    /// Something to compute.
    Busy,
}

/// A worker said PAUSED though it was not asked to pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAsked;

/// Who holds cores, and who waits for some.
#[derive(Debug)]
pub(crate) struct Leases {
    cores: u32,
    workers: BTreeMap<WorkerId, Lease>,
    /// Who has work and no cores, longest first.
    queue: VecDeque<WorkerId>,
}

#[derive(Debug)]
struct Lease {
    threads: u32,
    demand: Demand,
    hold: Hold,
}

/// How a worker stands to its cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// It has none.
    Without,
    /// It has had them since then.
    Since(u64),
    /// It was asked for them and has not answered.
    Asked,
}

impl Leases {
    /// Leases of so many cores.
    pub(crate) fn new(cores: u32) -> Self {
        Self { cores: cores.max(1), workers: BTreeMap::new(), queue: VecDeque::new() }
    }

    /// Cores that there are.
    pub(crate) fn cores(&self) -> u32 {
        self.cores
    }

    /// Cores that a worker may use now.
    pub(crate) fn lent(&self, worker: WorkerId) -> u32 {
        let lease = self.workers.get(&worker).filter(|lease| lease.hold != Hold::Without);
        lease.map_or(0, |lease| lease.threads)
    }

    /// A worker with so many threads can serve. It has no cores yet, and no work.
    pub(crate) fn enter(&mut self, worker: WorkerId, threads: u32) {
        let threads = threads.clamp(1, self.cores);
        let lease = Lease { threads, demand: Demand::Idle, hold: Hold::Without };
        self.workers.insert(worker, lease);
    }

    /// A worker has got work, or has finished all of it. One that never entered needs no cores.
    pub(crate) fn demand(&mut self, worker: WorkerId, demand: Demand, now_ms: u64) -> Vec<Turn> {
        let Some(lease) = self.workers.get_mut(&worker) else {
            return Vec::new();
        };
        if lease.demand == demand {
            return Vec::new();
        }
        lease.demand = demand;
        match (demand, lease.hold) {
            (Demand::Busy, Hold::Without) => self.queue.push_back(worker),
            (Demand::Idle, _) => self.queue.retain(|&other| other != worker),
            (Demand::Busy, Hold::Since(_) | Hold::Asked) => {}
        }
        self.settle(now_ms)
    }

    /// A worker has given its cores back.
    ///
    /// # Errors
    /// [`NotAsked`].
    pub(crate) fn paused(&mut self, worker: WorkerId, now_ms: u64) -> Result<Vec<Turn>, NotAsked> {
        let lease = self.workers.get_mut(&worker).filter(|lease| lease.hold == Hold::Asked);
        let lease = lease.ok_or(NotAsked)?;
        lease.hold = Hold::Without;
        if lease.demand == Demand::Busy {
            self.queue.push_back(worker);
        }
        Ok(self.settle(now_ms))
    }

    /// A worker is no more, and with it its threads.
    pub(crate) fn gone(&mut self, worker: WorkerId, now_ms: u64) -> Vec<Turn> {
        self.workers.remove(&worker);
        self.queue.retain(|&other| other != worker);
        self.settle(now_ms)
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now_ms: u64) -> Vec<Turn> {
        self.settle(now_ms)
    }

    /// When [`Self::tick`] has something to do even if nothing happens; never while nobody waits.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        if self.missing() == 0 {
            return None;
        }
        self.running().map(|(since_ms, _)| since_ms + QUANTUM_MS).min()
    }

    /// Lends what is free, then asks for what is missing.
    fn settle(&mut self, now_ms: u64) -> Vec<Turn> {
        let mut turns = Vec::new();
        // Each turn of this loop takes one out of the queue.
        while let Some(&first) = self.queue.front()
            && self.threads(first) <= self.free()
        {
            self.queue.pop_front();
            self.set(first, Hold::Since(now_ms));
            turns.push(Turn::Run(first));
        }
        // Each turn of this one asks one more worker.
        while self.missing() > 0
            && let Some(holder) = self.next_to_ask(now_ms)
        {
            self.set(holder, Hold::Asked);
            turns.push(Turn::Pause(holder));
        }
        turns
    }

    /// Who gives way next: one without work at once, then who has held longest, if long enough.
    fn next_to_ask(&self, now_ms: u64) -> Option<WorkerId> {
        let held = |lease: &Lease| match (lease.hold, lease.demand) {
            (Hold::Since(_), Demand::Idle) => Some(0),
            (Hold::Since(since_ms), Demand::Busy) => {
                Some(since_ms + QUANTUM_MS).filter(|&due_ms| due_ms <= now_ms)
            }
            (Hold::Without | Hold::Asked, _) => None,
        };
        let held = self.workers.iter().filter_map(|(&id, lease)| Some((held(lease)?, id)));
        held.min().map(|(_, id)| id)
    }

    /// Cores that the first in the queue lacks beside those that are free or asked for already.
    fn missing(&self) -> u32 {
        let first = self.queue.front().map_or(0, |&first| self.threads(first));
        let asked = self.workers.values().filter(|lease| lease.hold == Hold::Asked);
        let asked: u32 = asked.map(|lease| lease.threads).sum();
        first.saturating_sub(self.free() + asked)
    }

    fn free(&self) -> u32 {
        let lent = self.workers.values().filter(|lease| lease.hold != Hold::Without);
        self.cores.saturating_sub(lent.map(|lease| lease.threads).sum())
    }

    /// Who computes and was not asked to stop, and since when.
    fn running(&self) -> impl Iterator<Item = (u64, WorkerId)> {
        self.workers.iter().filter_map(|(&id, lease)| match lease.hold {
            Hold::Since(since_ms) => Some((since_ms, id)),
            Hold::Without | Hold::Asked => None,
        })
    }

    fn threads(&self, worker: WorkerId) -> u32 {
        self.workers.get(&worker).map_or(0, |lease| lease.threads)
    }

    fn set(&mut self, worker: WorkerId, hold: Hold) {
        if let Some(lease) = self.workers.get_mut(&worker) {
            lease.hold = hold;
        }
    }
}
