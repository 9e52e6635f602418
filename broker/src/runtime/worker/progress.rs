//! Whether a worker gets on with what it holds.
//!
//! Signs of life alone say little: a worker that was taken over can beat for ever and do nothing,
//! and with it hold its requests, and an unload or a swap that waits for them. So two clocks run
//! beside the watchdog's: one for what it computes, one for brief answers, which need no cores.
//! Each starts with the first job of its sort and again with each word that brings one further.
//! Every word is bounded, so what a worker holds comes to an end once it is given nothing new.

#[cfg(test)]
mod tests;

use std::time::Duration;

use core_wire::{ids::JobId, worker::ToWorker};
use tokio::time::Instant;

use super::Worker;
use crate::workers::link::{Heard, Want};

/// How many times as long as it may be silent a worker may take for a brief answer. It has 12 such
/// jobs at once, 4 MiB of text each at worst, and reads a megabyte of it in a second between two
/// steps: 48 s, where silence is 10 s.
const BRIEF_TIMES: u32 = 6;

/// Bytes of a saved context that pass in a second at the least. A worker sends 256 KiB between two
/// steps, and steps of two seconds are slower than anybody reads.
const STATE_BYTES_PER_S: u64 = 128 << 10;

/// Tokens of a prompt that are computed in a second at the least: a model that is slower serves
/// nobody.
const PREFILL_TOKENS_PER_S: u32 = 1;

/// When a worker last got on.
#[derive(Clone, Copy, Debug)]
pub(in crate::runtime) struct Progress {
    /// With what it computes.
    computed: Clock,
    /// With brief answers.
    answered: Clock,
    /// With its load; when it was started, until that is done.
    pub(in crate::runtime) ready_at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Clock {
    at: Instant,
    /// Whether it said a word since the clock was looked at: records come too often to ask for the
    /// time with each.
    moved: bool,
}

impl Progress {
    pub(in crate::runtime) fn new(now: Instant) -> Self {
        let clock = Clock { at: now, moved: false };
        Self { computed: clock, answered: clock, ready_at: now }
    }

    fn clock(&mut self, want: Want) -> &mut Clock {
        if want.computes() { &mut self.computed } else { &mut self.answered }
    }
}

impl Clock {
    fn look(&mut self, now: Instant) {
        if std::mem::take(&mut self.moved) {
            self.at = now;
        }
    }
}

impl Worker {
    /// It is given a job: from now on it has to show signs of life, and to get on.
    pub(in crate::runtime) fn expects(&mut self, want: Want, now: Instant) {
        if !self.is_awaited() {
            self.alive_at = now;
        }
        if self.ledger.wants().all(|held| held.computes() != want.computes()) {
            self.progress.clock(want).at = now;
        }
    }

    /// Asks for a job back.
    pub(in crate::runtime) fn park(&mut self, job: JobId, now: Instant) {
        if let Some(job) = self.ledger.job_mut(job) {
            job.is_asked_back(now);
        }
        self.say(&ToWorker::Park(job));
    }

    /// Notes whether what it said brings a job further; that job is still in the ledger.
    pub(in crate::runtime) fn gets_on(&mut self, heard: &Heard) {
        let job = match heard {
            Heard::Step(step) => {
                let says = [step.tokens.len(), step.ended.len(), step.parked.len()];
                self.progress.computed.moved |= says != [0; 3];
                return;
            }
            Heard::Started(started) => started.job,
            Heard::Answered(job) => *job,
            Heard::Refused(refused) => refused.job,
            Heard::Locked(_)
            | Heard::Variant(_)
            | Heard::Progress(_)
            | Heard::Inspected(_)
            | Heard::Ready(_)
            | Heard::Failed(_)
            | Heard::More
            | Heard::Paused => return,
        };
        if let Some(want) = self.ledger.job_mut(job).map(|job| job.want) {
            self.progress.clock(want).moved = true;
        }
    }

    /// Takes what was said since the last look as said now.
    pub(in crate::runtime) fn note_progress(&mut self, now: Instant) {
        self.progress.computed.look(now);
        self.progress.answered.look(now);
    }

    /// The time without cores is not held against it.
    pub(in crate::runtime) fn forgive(&mut self, time: Duration, now: Instant) {
        self.ledger.forgive(time, now);
        let computed = &mut self.progress.computed;
        computed.at = (computed.at + time).min(now);
    }

    /// When it will have got on with nothing for too long.
    pub(super) fn progress_due(&self) -> Option<Instant> {
        self.first_due().map(|(due, _)| due)
    }

    /// Since when what it was asked for has been waited for in vain, at `now`.
    pub(super) fn held_since(&self, now: Instant) -> Instant {
        let late = self.first_due().filter(|&(due, _)| due <= now);
        late.map_or_else(|| self.waited_since(), |(_, since)| since)
    }

    /// Which clock runs out first: when, and since when it runs.
    fn first_due(&self) -> Option<(Instant, Instant)> {
        let owes = |computes| self.ledger.wants().any(|w| w.computes() == computes && self.owes(w));
        let Progress { computed, answered, .. } = self.progress;
        let computed = owes(true).then(|| (computed.at + self.computes_within(), computed.at));
        let answered = owes(false).then(|| (answered.at + self.answers_within(), answered.at));
        computed.into_iter().chain(answered).min()
    }

    /// How long it may take for the next word of what it computes: all prompts that its cells have
    /// room for may come before it.
    fn computes_within(&self) -> Duration {
        let cells = self.facts.n_ctx.div_ceil(PREFILL_TOKENS_PER_S);
        self.hung_after() + Duration::from_secs(cells.into())
    }

    /// How long it may take for the next brief answer, which may wait behind saved contexts.
    fn answers_within(&self) -> Duration {
        let bytes = self.ledger.wants().fold(0_u64, |sum, want| {
            sum.saturating_add(u64::try_from(want.state_bytes()).unwrap_or(u64::MAX))
        });
        self.hung_after() * BRIEF_TIMES + Duration::from_secs(bytes / STATE_BYTES_PER_S)
    }
}
