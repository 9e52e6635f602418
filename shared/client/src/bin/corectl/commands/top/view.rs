//! What is shown: a state, and what became of the one before it.

use std::{collections::BTreeMap, time::Instant};

use core_client::Status;

use crate::commands::status::epoch_ms;

/// One look at a broker.
pub(super) struct View {
    pub(super) status: Status,
    /// Tokens per second by worker, and of all together.
    pub(super) rates: Rates,
    /// Seconds since the broker answered.
    pub(super) silent_s: u64,
    /// Milliseconds since the epoch.
    pub(super) now_ms: u64,
    /// When it did.
    pub(super) told: Instant,
}

/// Tokens per second.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Rates {
    /// By process id of the worker.
    pub(super) workers: BTreeMap<u32, f64>,
    /// Of all models.
    pub(super) all: f64,
}

impl View {
    /// The first look.
    pub(super) fn new(status: Status) -> Self {
        let (rates, told) = (Rates::default(), Instant::now());
        Self { status, rates, silent_s: 0, now_ms: epoch_ms(), told }
    }

    /// The next one.
    pub(super) fn next(self, status: Status) -> Self {
        Self { rates: Rates::between(&self.status, &status), ..Self::new(status) }
    }

    /// Time has passed without an answer.
    pub(super) fn passes(&mut self) {
        self.silent_s = self.told.elapsed().as_secs();
        self.now_ms = epoch_ms();
    }
}

impl Rates {
    /// What was chosen between two states, by the broker's own clock.
    pub(super) fn between(before: &Status, after: &Status) -> Self {
        let ms = after.broker.uptime_ms.saturating_sub(before.broker.uptime_ms);
        let known = |pid| before.workers.iter().find(|worker| worker.pid == pid);
        let of = after.workers.iter().map(|worker| {
            let tokens = known(worker.pid).map_or(0, |before| before.tokens);
            (worker.pid, rate(tokens, worker.tokens, ms))
        });
        Self { workers: of.collect(), all: rate(all(before), all(after), ms) }
    }
}

fn all(status: &Status) -> u64 {
    status.models.iter().fold(0, |sum, model| sum.saturating_add(model.tokens.generated))
}

/// A counter that falls is another one: nothing is known of it yet.
fn rate(before: u64, after: u64, ms: u64) -> f64 {
    match (after.checked_sub(before), ms) {
        (None, _) | (_, 0) => 0.0,
        (Some(tokens), ms) => tokens as f64 * 1e3 / ms as f64,
    }
}
