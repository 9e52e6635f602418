//! The watchdog: how long a worker may be silent, and what it means when it is for longer.
//!
//! A heartbeat comes with each turn of its loop, so also with each slice of a long prompt. A hang is
//! cured like a crash.

use std::time::Duration;

use tokio::time::Instant;

use super::{COMPILE_WITHIN, Stage, UNUSED_AFTER, Worker};
use crate::{
    runtime::cores::Cores,
    scheduler::Part,
    workers::{link::Want, recover::Verdict},
};

/// How many of its steps a worker with work may take without a sign of life; at least the time of
/// the configuration. A heartbeat comes with each step, and steps differ by a few times.
const HUNG_STEPS: u32 = 20;

/// The share of it by which the time of a step that was long is forgotten with each that is shorter.
const STEP_SHARE: u32 = 8;

/// The longest that it may take, whatever its steps were like: they are its own word.
const HUNG_AFTER_MAX: Duration = Duration::from_secs(600);

impl Worker {
    pub(super) fn serving_due(&self) -> Option<Instant> {
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
    pub(super) fn part_due(&self) -> Option<Instant> {
        match (self.part()?, self.ledger.is_busy()) {
            (Part::Grammar, true) => Some(self.used_at + COMPILE_WITHIN),
            (Part::Vocabulary | Part::Grammar, false) => Some(self.used_at + UNUSED_AFTER),
            (Part::Vocabulary, true) | (Part::Whole, _) => None,
        }
    }

    /// How long it may give no sign of life while it has work.
    pub(in crate::runtime) fn hung_after(&self) -> Duration {
        let steps = self.step.saturating_mul(HUNG_STEPS).min(HUNG_AFTER_MAX);
        steps.max(self.watchdog)
    }

    /// Notes a sign of life; the heartbeat counts the steps since the last one.
    pub(in crate::runtime) fn lives(&mut self, heartbeat: u64, now: Instant) {
        let beats = u32::try_from(heartbeat.wrapping_sub(self.heartbeat)).unwrap_or(u32::MAX);
        if self.is_awaited() && beats > 0 {
            let step = (now - self.alive_at) / beats;
            self.step = step.max(self.step - self.step / STEP_SHARE);
        }
        self.heartbeat = heartbeat;
        self.alive_at = now;
    }

    /// Whether a sign of life is waited for.
    pub(in crate::runtime) fn is_awaited(&self) -> bool {
        self.ledger.wants().any(|want| self.owes(want))
    }

    /// Whether it can be expected to go on with such a job: without cores it computes nothing.
    fn owes(&self, want: Want) -> bool {
        match self.cores {
            Cores::Without { .. } => !want.computes(),
            Cores::With | Cores::Asked { .. } => true,
        }
    }

    /// Since when its next word is waited for. A worker that was taken over can show signs of life
    /// for ever, so they do not count for a job that it only has to let go of.
    fn waited_since(&self) -> Instant {
        let left = self.ledger.left_since(|want| self.owes(want));
        left.map_or(self.alive_at, |left| left.min(self.alive_at))
    }

    /// Looks whether its time is over.
    pub(in crate::runtime) fn check_time(&mut self, heartbeat: u64) {
        let now = Instant::now();
        if heartbeat != self.heartbeat {
            self.lives(heartbeat, now);
        }
        if self.due().is_none_or(|due| due > now) || self.is_unused(now) {
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
