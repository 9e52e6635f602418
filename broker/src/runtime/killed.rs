//! Workers that somebody killed while they loaded. Nothing is wrong with their model, so they are
//! loaded again and nobody who waits is told; only a load that is killed again and again ends.

use std::time::Duration;

use core_wire::{
    client::event::ModelState,
    code::{Code, Refusal},
};
use tokio::time::sleep;

use super::{Core, Shared};
use crate::scheduler::{Event, KILLED_LOADS_MAX, LineId, Part};

/// When to try again after that: whoever kills may have stopped.
const KILLED_RETRY_MS: u32 = 1_000;

/// Waits before a line is loaded again: a model whose workers crashed one after the other, and
/// whatever was killed while it loaded.
pub(super) async fn rest(core: &Shared, line: &LineId) {
    let rest_ms = core.borrow().rest_ms(line);
    sleep(Duration::from_millis(rest_ms)).await;
}

/// What is told where a load was killed again and again.
pub(super) fn killed() -> Refusal {
    let message = format!(
        "the worker was killed from outside (SIGKILL) while it loaded, {KILLED_LOADS_MAX} times \
         and more in a row: find out who does that, then ask again"
    );
    Refusal::new(Code::WorkerLost, message).after(KILLED_RETRY_MS)
}

impl Core {
    fn rest_ms(&self, line: &LineId) -> u64 {
        let entry = self.registry.entry(&line.model).filter(|_| line.part == Part::Whole);
        let crashed_ms = entry.map_or(0, |entry| entry.attempts.rest_ms());
        crashed_ms.max(self.scheduler.killed_rest_ms(line))
    }

    /// A worker was killed from elsewhere while it loaded.
    pub(super) fn load_killed(&mut self, line: &LineId) {
        tracing::warn!(model = %line.model, "the worker was killed while it loaded");
        let stands_by = self.scheduler.loads_spare(line);
        self.drive(Event::LoadKilled { line: line.clone(), refusal: killed() });
        if stands_by || self.scheduler.loads(line) || line.part != Part::Whole {
            return;
        }
        self.set_state(line, ModelState::Unloaded);
        self.bring_back(line.clone());
    }
}
