//! Workers that ended without being asked: how many, and the last of each cause.

#[cfg(test)]
mod tests;

use core_wire::{
    client::deaths::{DeathCause, DeathCounts, LastDeath},
    code::Code,
};

use super::{Core, tell::epoch_ms, worker::Worker};
use crate::{
    scheduler::{Part, WorkerId},
    workers::{cause::Readiness, recover::Ended},
};

/// What is known of workers that ended without being asked, since the start.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    pub(super) counts: DeathCounts,
    /// In the order of the causes; one of each at most.
    last: Vec<LastDeath>,
}

impl Deaths {
    /// The last of each cause.
    pub(super) fn last(&self) -> Vec<LastDeath> {
        self.last.clone()
    }

    fn note(&mut self, death: LastDeath) {
        self.counts.add(death.cause);
        match self.last.binary_search_by_key(&death.cause, |other| other.cause) {
            Ok(at) => self.last[at] = death,
            Err(at) => self.last.insert(at, death),
        }
    }
}

impl Core {
    /// Counts a request that ended in an error frame.
    pub(super) fn count_failed(&mut self, code: Code) {
        self.counts.failed += 1;
        self.counts.quarantined += u64::from(code == Code::Quarantined);
    }

    /// Counts a worker that has ended, unless it was asked to.
    pub(super) fn note_death(&mut self, id: WorkerId, ended: &Ended) {
        let Some(worker) = self.workers.get(&id) else {
            return;
        };
        let readiness = match worker.is_served() {
            true => Readiness::Reached,
            false => Readiness::Not,
        };
        let Some(cause) = ended.cause().counted(readiness) else {
            return;
        };
        let death = of(cause, worker, readiness, ended);
        let line = worker.whole().filter(|_| readiness == Readiness::Reached);
        if let Some(entry) = line.and_then(|line| self.registry.current_mut(line)) {
            entry.last_death = Some(death.reason.clone());
        }
        self.deaths.note(death);
    }
}

fn of(cause: DeathCause, worker: &Worker, readiness: Readiness, ended: &Ended) -> LastDeath {
    let told = match (readiness, worker.part()) {
        (Readiness::Not, _) => ended.while_loading(),
        // Of one that compiled nothing no grammar is the cause.
        (Readiness::Reached, Some(Part::Grammar)) if worker.ledger.wants().next().is_some() => {
            ended.while_compiling()
        }
        (Readiness::Reached, _) => ended.while_serving(),
    };
    LastDeath {
        cause,
        code: told.code.into(),
        name: told.code.name().to_owned(),
        model: worker.name().unwrap_or_else(|| worker.files.first_name()),
        pid: worker.pid,
        reason: told.message,
        at_ms: epoch_ms(),
    }
}
