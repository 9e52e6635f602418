//! What is logged of clients that break the protocol: some lines a second, then how many more there
//! were. Whoever holds the token can connect and break it thousands of times a second, and must not
//! fill the log, or its disk, with that.

#[cfg(test)]
mod tests;

use std::{cell::Cell, time::Duration};

use tokio::time::Instant;

/// Lines in a window: enough to see who it is and what is wrong.
const LINES_MAX: u32 = 20;
/// Length of a window.
const WINDOW: Duration = Duration::from_secs(1);

/// Counts violations of all clients together.
#[derive(Debug)]
pub(super) struct Complaints {
    began: Cell<Instant>,
    lines: Cell<u32>,
    left_out: Cell<u64>,
}

impl Default for Complaints {
    fn default() -> Self {
        Self { began: Cell::new(Instant::now()), lines: Cell::new(0), left_out: Cell::new(0) }
    }
}

impl Complaints {
    /// Notes one; `tell` logs it, unless there were too many lately.
    pub(super) fn note(&self, now: Instant, tell: impl FnOnce()) {
        if now.saturating_duration_since(self.began.get()) >= WINDOW {
            if let more @ 1.. = self.left_out.replace(0) {
                tracing::warn!(more, "connections were closed for broken frames, too many to list");
            }
            self.began.set(now);
            self.lines.set(0);
        }
        if self.lines.get() < LINES_MAX {
            self.lines.set(self.lines.get() + 1);
            tell();
        } else {
            self.left_out.set(self.left_out.get().saturating_add(1));
        }
    }
}
