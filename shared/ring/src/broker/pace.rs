//! The share of the broker's time that one worker may take.
//!
//! The bound per poll keeps one worker from delaying the others once; this bounds what it can take
//! for ever. A worker over its share is not killed, it may only be fast: its ring is left alone
//! for the rest of the window, fills up, and stops it.

use std::time::{Duration, Instant};

use crate::ring::Drained;

/// Length of a window: short enough that a paused stream does not stall visibly.
pub(super) const WINDOW: Duration = Duration::from_millis(100);

/// Wake-ups in a window: 20,000 a second, about 5 % of a core, and four times the step rate of the
/// smallest models.
pub(super) const WAKEUPS_MAX: u32 = 2_000;

/// Records in a window: 100 full polls, 256,000 a second.
pub(super) const RECORDS_MAX: usize = 25_600;

/// Bytes in a window: 640 MiB a second, what bulk output (embeddings, saved state) can use.
pub(super) const BYTES_MAX: u64 = 64 << 20;

/// What one worker used in the current window.
#[derive(Debug)]
pub(super) struct Pace {
    began: Instant,
    wakeups: u32,
    records: usize,
    bytes: u64,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, wakeups: 0, records: 0, bytes: 0 }
    }

    #[cfg(any(test, feature = "broker"))]
    pub(super) fn woke(&mut self) {
        self.wakeups = self.wakeups.saturating_add(1);
    }

    pub(super) fn took(&mut self, drained: &Drained) {
        self.records = self.records.saturating_add(drained.records);
        self.bytes = self.bytes.saturating_add(drained.bytes);
    }

    /// How long to leave the ring alone, if a window's share was used up in less than a window.
    ///
    /// The clock is read only then, so that a modest worker costs three additions.
    pub(super) fn pause(&mut self, clock: impl FnOnce() -> Instant) -> Option<Duration> {
        let over =
            self.wakeups >= WAKEUPS_MAX || self.records >= RECORDS_MAX || self.bytes >= BYTES_MAX;
        if !over {
            return None;
        }
        let now = clock();
        let past = now.saturating_duration_since(self.began);
        if past >= WINDOW {
            *self = Self::new(now);
            return None;
        }
        Some(WINDOW - past)
    }
}
