//! How often something dear is prepared while others wait for their next tokens.
//!
//! A grammar is compiled, and a DRY breaker looked up in the whole vocabulary, between two steps
//! and in one piece. So there is one at a time, and after it steps have the time to themselves for
//! a while: however many such requests come, whoever is answered keeps most of the speed.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use crate::engine::embed::Beside;

/// For how many times its own duration a dear request keeps the next one waiting: a quarter of the
/// time is theirs at most, the rest is the steps'.
const REST: u32 = 3;

/// Until when nothing dear is prepared beside others.
#[derive(Debug, Default)]
pub(super) struct Sparing {
    until: Option<Instant>,
}

impl Sparing {
    /// Whether something dear may be prepared now; while nobody waits for a token, always.
    pub(super) fn allows(&self, beside: Beside, now: Instant) -> bool {
        beside == Beside::Nobody || self.until.is_none_or(|until| now > until)
    }

    /// Notes that something dear was prepared until `now` and took so long.
    pub(super) fn took(&mut self, time: Duration, now: Instant) {
        self.until = Some(now + time * REST);
    }
}
