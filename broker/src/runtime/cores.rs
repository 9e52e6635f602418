//! Doing what the leases of cores say.

use core_wire::worker::ToWorker;
use tokio::time::Instant;

use super::{Core, worker::Worker};
use crate::{
    scheduler::WorkerId,
    workers::{
        lease::{Demand, NotAsked, Turn},
        link::{Breach, Phase},
        recover::Verdict,
    },
};

/// How a worker stands to the cores (`workers::lease`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cores {
    /// It has none and computes nothing.
    Without {
        /// Since when.
        since: Instant,
    },
    /// They are its own.
    With,
    /// It was asked to give them back.
    Asked {
        /// When.
        at: Instant,
    },
}

impl Core {
    /// Tells the leases whether a worker has anything to compute; called when it got a job or let
    /// go of one, never for a token.
    pub(super) fn demand(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        worker.used_at = Instant::now();
        let demand = if worker.ledger.computes() { Demand::Busy } else { Demand::Idle };
        let turns = self.leases.demand(id, demand, self.now_ms());
        self.take_turns(turns);
    }

    /// A worker said that it has given its cores back.
    pub(super) fn paused(&mut self, id: WorkerId) {
        let now_ms = self.now_ms();
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        match self.leases.paused(id, now_ms) {
            Ok(turns) => {
                tracing::debug!(pid = worker.pid, "cores given back");
                worker.cores = Cores::Without { since: Instant::now() };
                self.take_turns(turns);
            }
            Err(NotAsked) => {
                let what = "PAUSED of a worker that was not asked to pause";
                let phase = Phase::Serving;
                worker.condemn(Verdict::Breach(Breach::OutOfTurn { what, phase }));
            }
        }
    }

    /// Who waited for a quantum to end may have it now.
    pub(super) fn turn_cores(&mut self) {
        let now_ms = self.now_ms();
        if self.leases.next_due_ms().is_some_and(|due_ms| due_ms <= now_ms) {
            let turns = self.leases.tick(now_ms);
            self.take_turns(turns);
        }
    }

    /// A worker is no more.
    pub(super) fn free_cores(&mut self, id: WorkerId) {
        let turns = self.leases.gone(id, self.now_ms());
        self.take_turns(turns);
    }

    fn take_turns(&mut self, turns: Vec<Turn>) {
        for turn in turns {
            match turn {
                Turn::Run(id) => self.workers.get_mut(&id).map(Worker::run),
                Turn::Pause(id) => self.workers.get_mut(&id).map(Worker::pause),
            };
        }
        if self.leases.next_due_ms().is_some() {
            self.retime.notify_one();
        }
    }
}

impl Worker {
    /// Lends it its cores. The time without them is not held against it.
    fn run(&mut self) {
        tracing::debug!(pid = self.pid, "cores lent");
        let now = Instant::now();
        if let Cores::Without { since } = self.cores {
            self.forgive(now - since, now);
        }
        self.cores = Cores::With;
        self.alive_at = now;
        self.say(&ToWorker::Run);
    }

    /// Asks for its cores.
    fn pause(&mut self) {
        tracing::debug!(pid = self.pid, "cores asked for");
        self.cores = Cores::Asked { at: Instant::now() };
        self.say(&ToWorker::Pause);
    }
}
