//! The watchdog: how long a worker may be silent, and what it means when it is for longer.
//!
//! A heartbeat comes with each turn of its loop, so also with each slice of a long prompt. A hang
//! is cured like a crash.

use std::time::Duration;

use tokio::time::Instant;

use super::Worker;
use crate::{runtime::cores::Cores, workers::link::Want};

/// How many of its steps a worker with work may take without a sign of life; at least the time of
/// the configuration. A heartbeat comes with each step, and steps differ by a few times.
const HUNG_STEPS: u32 = 20;

/// The share of it by which the time of a step that was long is forgotten with each shorter one.
const STEP_SHARE: u32 = 8;

/// The longest that it may take, whatever its steps were like: they are its own word.
const HUNG_AFTER_MAX: Duration = Duration::from_secs(600);

impl Worker {
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

    /// Milliseconds from READY to its last sign of life: how long it served well.
    pub(in crate::runtime) fn served_ms(&self) -> u64 {
        let served = self.alive_at.saturating_duration_since(self.progress.ready_at);
        u64::try_from(served.as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether a sign of life is waited for.
    pub(in crate::runtime) fn is_awaited(&self) -> bool {
        self.ledger.wants().any(|want| self.owes(want))
    }

    /// Whether it can be expected to go on with such a job: without cores it computes nothing.
    pub(super) fn owes(&self, want: Want) -> bool {
        match self.cores {
            Cores::Without { .. } => !want.computes(),
            Cores::With | Cores::Asked { .. } => true,
        }
    }

    /// Since when its next word is waited for. A worker that was taken over can show signs of life
    /// for ever, so they do not count for a job that it only has to let go of. A brief one ends by
    /// itself, in its own time.
    pub(super) fn waited_since(&self) -> Instant {
        let left = self.ledger.left_since(|want| want.computes() && self.owes(want));
        left.map_or(self.alive_at, |left| left.min(self.alive_at))
    }
}
