//! When a worker is to be looked at again, and whether its time is over.

use std::time::Duration;

use tokio::time::Instant;

use super::{Stage, Worker};
use crate::{runtime::cores::Cores, scheduler::Part, workers::recover::Verdict};

/// How long a grammar may take to compile: the worker's own limits end it within 2 s on two cores,
/// and a machine that is busy with other models takes twice that.
pub(in crate::runtime) const COMPILE_WITHIN: Duration = Duration::from_secs(5);

/// How long a worker that only holds a vocabulary is kept for the next one who needs it: it costs
/// some megabytes, and a new one some 50 ms.
pub(in crate::runtime) const UNUSED_AFTER: Duration = Duration::from_secs(30);

impl Worker {
    /// When its task has to look at it again even if nothing happens.
    pub(in crate::runtime) fn due(&self) -> Option<Instant> {
        self.time_due().into_iter().chain(self.memory_due()).min()
    }

    /// When its time is over.
    fn time_due(&self) -> Option<Instant> {
        match self.stage {
            Stage::Loading { until, .. } | Stage::Stopping { until } => Some(until),
            Stage::Serving => self.serving_due(),
            Stage::Gone => None,
        }
    }

    fn serving_due(&self) -> Option<Instant> {
        let silent = self.is_awaited().then(|| self.waited_since() + self.hung_after());
        silent.into_iter().chain(self.cores_due()).chain(self.part_due()).min()
    }

    /// When its answer to PAUSE is late.
    fn cores_due(&self) -> Option<Instant> {
        match self.cores {
            Cores::Asked { at } => Some(at + self.hung_after()),
            Cores::Without { .. } | Cores::With => None,
        }
    }

    /// When a grammar is late, and when a worker that only holds a vocabulary is of no more use.
    fn part_due(&self) -> Option<Instant> {
        match (self.part()?, self.ledger.is_busy()) {
            (Part::Grammar, true) => Some(self.used_at + COMPILE_WITHIN),
            (Part::Vocabulary | Part::Grammar, false) => Some(self.used_at + UNUSED_AFTER),
            (Part::Vocabulary, true) | (Part::Whole, _) => None,
        }
    }

    /// Whether it only holds a vocabulary that nobody needed for long.
    pub(in crate::runtime) fn is_unused(&self, now: Instant) -> bool {
        let idle = self.stage == Stage::Serving && !self.ledger.is_busy();
        idle && self.part_due().is_some_and(|due| due <= now)
    }

    /// Looks whether its time is over.
    pub(in crate::runtime) fn check_time(&mut self, heartbeat: u64) {
        let now = Instant::now();
        if heartbeat != self.heartbeat {
            self.lives(heartbeat, now);
        }
        self.check_memory(now);
        if self.time_due().is_none_or(|due| due > now) || self.is_unused(now) {
            return;
        }
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.condemn(match self.stage {
            Stage::Loading { within, .. } => Verdict::Slow { load_ms: millis(within) },
            Stage::Serving if self.part_due().is_some_and(|due| due <= now) => {
                Verdict::Late { compile_ms: millis(COMPILE_WITHIN) }
            }
            Stage::Serving if self.cores_due().is_some_and(|due| due <= now) => {
                Verdict::Greedy { asked_ms: millis(self.hung_after()) }
            }
            Stage::Serving if self.alive_at + self.hung_after() <= now => {
                Verdict::Hung { silent_ms: millis(now - self.alive_at) }
            }
            Stage::Serving => Verdict::Stuck { held_ms: millis(now - self.waited_since()) },
            Stage::Stopping { .. } | Stage::Gone => Verdict::Dismissed,
        });
    }
}
