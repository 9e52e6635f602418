//! Whether a worker keeps to the memory that it was granted.
//!
//! The kernel limits what it may map for writing (`RLIMIT_DATA`), and much of that is never
//! touched: stacks, heaps that are extended ahead. So what it has touched is looked at as well, as
//! long as it has something to do. One that is idle cannot go beyond the kernel's limit either.

use std::time::Duration;

use tokio::time::Instant;

use super::{Stage, Worker};
use crate::{
    memory::watch::{OomKills, Resident},
    workers::recover::Verdict,
};

/// Time between two looks: one takes some 10 us, and the kernel's limit holds meanwhile.
const LOOK_EACH: Duration = Duration::from_secs(1);

impl Worker {
    /// When its memory is to be looked at.
    pub(in crate::runtime) fn memory_due(&self) -> Option<Instant> {
        let watched = match self.stage {
            Stage::Loading { .. } => true,
            // Where the kernel holds it to no limit, an idle one is looked at as well.
            Stage::Serving => self.is_awaited() || self.expect.data_max.is_none(),
            Stage::Stopping { .. } => self.expect.data_max.is_none(),
            Stage::Gone => false,
        };
        watched.then(|| self.memory_at + LOOK_EACH)
    }

    /// Looks, if it is time for that.
    pub(in crate::runtime) fn check_memory(&mut self, now: Instant) {
        if self.memory_due().is_none_or(|due| due > now) {
            return;
        }
        match now - self.memory_at > 2 * LOOK_EACH {
            // It was idle: what happened since is not about what it was given now.
            true => self.oom_kills = OomKills::now(),
            false => self.oom_kills.look(),
        }
        self.memory_at = now;
        // One that cannot be looked at is gone; its task will hear of that.
        let used = Resident::of(self.pid).map_or(0, |resident| resident.private);
        let granted = self.grant.private_bytes();
        if used > granted {
            self.condemn(Verdict::Memory { used, granted });
        }
    }
}
