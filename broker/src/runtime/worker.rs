//! What the core knows of one worker process.

use std::{rc::Rc, time::Duration};

use core_policy::verify::Expect;
use core_wire::{ids::ModelId, worker::ToWorker};
use tokio::{sync::Notify, time::Instant};

use super::live::Listener;
use crate::{
    report::{Seen, Verified},
    workers::{
        feed::Feed,
        link::{Breach, Ledger},
        recover::Verdict,
    },
};

/// How long a worker with work may give no sign of life: many times the longest step of a model
/// that fits the machine (a 512-token slice at depth 4k takes 4.4 s on two cores).
pub(super) const HUNG_AFTER: Duration = Duration::from_secs(30);

/// How long a worker that was asked to end may take; it runs nothing and leaves by `_exit`.
pub(super) const STOP_WITHIN: Duration = Duration::from_secs(5);

/// A worker process.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) pid: u32,
    /// Its model; `None` for the throwaway worker that compares CPU variants.
    pub(super) model: Option<ModelId>,
    pub(super) ledger: Ledger<Listener>,
    pub(super) feed: Feed,
    pub(super) seen: Seen,
    pub(super) expect: Expect,
    pub(super) stage: Stage,
    /// Slots it serves; 0 until it is ready.
    pub(super) slots: u32,
    /// The index it chose, if choosing is what it is for.
    pub(super) chosen: Option<usize>,
    /// Wakes its task: there is something to send, or a verdict.
    pub(super) nudge: Rc<Notify>,
    /// Why it is to be killed.
    pub(super) verdict: Option<Verdict>,
    /// When it gave its last sign of life.
    pub(super) alive_at: Instant,
    /// Its heartbeat then.
    pub(super) heartbeat: u64,
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It locks itself down and loads; has to be done by then.
    Loading {
        /// When that is.
        until: Instant,
        /// How long it had in all.
        within: Duration,
    },
    /// It serves.
    Serving,
    /// It was asked to end; is killed then.
    Stopping {
        /// When that is.
        until: Instant,
    },
    /// Its process has ended and may have been waited for: its id means nothing any more.
    Gone,
}

impl Worker {
    /// When its task has to look at it again even if nothing happens.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.stage {
            Stage::Loading { until, .. } | Stage::Stopping { until } => Some(until),
            Stage::Serving if self.ledger.is_busy() => Some(self.waited_since() + HUNG_AFTER),
            Stage::Serving | Stage::Gone => None,
        }
    }

    /// Since when its next word is waited for. A worker that was taken over can show signs of life
    /// for ever, so they do not count for a job that it only has to let go of.
    fn waited_since(&self) -> Instant {
        self.ledger.left_since().map_or(self.alive_at, |left| left.min(self.alive_at))
    }

    /// Looks whether its time is over.
    pub(super) fn check_time(&mut self, heartbeat: u64) {
        let now = Instant::now();
        if heartbeat != self.heartbeat {
            self.heartbeat = heartbeat;
            self.alive_at = now;
        }
        if self.due().is_none_or(|due| due > now) {
            return;
        }
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.condemn(match self.stage {
            Stage::Loading { within, .. } => Verdict::Slow { load_ms: millis(within) },
            Stage::Serving if self.alive_at + HUNG_AFTER <= now => {
                Verdict::Hung { silent_ms: millis(now - self.alive_at) }
            }
            Stage::Serving => Verdict::Stuck { held_ms: millis(now - self.waited_since()) },
            Stage::Stopping { .. } | Stage::Gone => Verdict::Dismissed,
        });
    }

    /// Decides that it is to be killed; the first reason stays.
    pub(super) fn condemn(&mut self, verdict: Verdict) {
        self.verdict.get_or_insert(verdict);
        self.nudge.notify_one();
    }

    /// Kills it, because nobody needs it any more.
    pub(super) fn dismiss(&mut self) {
        self.condemn(Verdict::Dismissed);
    }

    /// Asks it to end once it has nothing more to do.
    pub(super) fn stop(&mut self) {
        self.stage = Stage::Stopping { until: Instant::now() + STOP_WITHIN };
        self.say(&ToWorker::Stop);
    }

    /// Sends a record.
    pub(super) fn say(&mut self, record: &ToWorker) {
        let said = self.feed.push(record);
        self.sent(said);
    }

    /// Sends what waits; a broken ring condemns the worker.
    pub(super) fn sent(&mut self, queued: Result<(), Breach>) {
        if let Err(breach) = queued.and_then(|()| self.feed.flush()) {
            self.condemn(Verdict::Breach(breach));
        }
        // Its task may have to arm a timer now that there is work.
        self.nudge.notify_one();
    }

    pub(super) fn verified(&self) -> Verified {
        if self.slots > 0 { Verified::AtReady } else { Verified::NotYet }
    }
}
