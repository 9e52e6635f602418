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

/// How late a look may come. Beyond that nobody ran, neither it nor the broker: a container or a
/// machine that was frozen, whose clock went on. A busy machine delays a look by some 10 ms.
const LATE: Duration = Duration::from_secs(1);

/// How often that is believed: looks are late as well where somebody sees to it that they are.
const EXCUSED_EACH: Duration = Duration::from_secs(600);

impl Worker {
    /// When its task has to look at it again even if nothing happens.
    pub(in crate::runtime) fn due(&self) -> Option<Instant> {
        self.time_due().into_iter().chain(self.memory_due()).min()
    }

    /// When its time is over. After a freeze it is given anew what a sign of life takes.
    fn time_due(&self) -> Option<Instant> {
        let due = self.stage_due()?;
        Some(self.excused_at.map_or(due, |at| due.max(at + self.watchdog)))
    }

    fn stage_due(&self) -> Option<Instant> {
        match self.stage {
            Stage::Loading { until, .. } | Stage::Stopping { until } => Some(until),
            Stage::Serving => self.serving_due(),
            Stage::Gone => None,
        }
    }

    fn serving_due(&self) -> Option<Instant> {
        let silent = self.is_awaited().then(|| self.waited_since() + self.hung_after());
        let due = silent.into_iter().chain(self.cores_due()).chain(self.part_due());
        due.chain(self.progress_due()).min()
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
        self.note_progress(now);
        self.check_memory(now);
        let Some(due) = self.time_due().filter(|&due| due <= now && !self.is_unused(now)) else {
            return;
        };
        let long_since = |at: Instant| now - at > EXCUSED_EACH;
        if now - due > LATE && self.excused_at.is_none_or(long_since) {
            tracing::warn!(pid = self.pid, late = ?(now - due), "nothing ran for a while");
            self.excused_at = Some(now);
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
            Stage::Serving => Verdict::Stuck { held_ms: millis(now - self.held_since(now)) },
            Stage::Stopping { .. } | Stage::Gone => Verdict::Dismissed,
        });
    }
}
