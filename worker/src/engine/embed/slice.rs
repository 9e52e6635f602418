//! How many tokens of a text are computed at once: as many as lately fitted a span of time.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::Beside;

/// The largest slice. Larger ones are hardly faster on a few cores, and cost memory for outputs.
pub(super) const SLICE_MAX: usize = 64;

/// The first slice, before anything was measured: little on any machine that serves.
const SLICE_FIRST: usize = 8;

/// The share of a step's time that a slice may take beside others, whose step takes the whole of
/// it: so whoever is answered waits for a quarter more at most.
const SHARE_BESIDE: u32 = 4;

/// The sizes for both situations, each learnt by itself.
#[derive(Debug)]
pub(super) struct Slices {
    alone: Slice,
    beside: Slice,
}

impl Slices {
    /// Slices for a worker whose steps take `step_max` at most.
    pub(super) fn new(step_max: Duration) -> Self {
        Self { alone: Slice::new(step_max), beside: Slice::new(step_max / SHARE_BESIDE) }
    }

    /// Tokens of the next slice.
    pub(super) fn tokens(&self, beside: Beside) -> usize {
        match beside {
            Beside::Nobody => self.alone.tokens,
            Beside::Sequences => self.beside.tokens,
        }
    }

    /// Notes what a slice of `tokens` took.
    pub(super) fn took(&mut self, beside: Beside, tokens: usize, time: Duration) {
        match beside {
            Beside::Nobody => self.alone.took(tokens, time),
            Beside::Sequences => self.beside.took(tokens, time),
        }
    }
}

#[derive(Debug)]
struct Slice {
    tokens: usize,
    time_max: Duration,
}

impl Slice {
    fn new(time_max: Duration) -> Self {
        Self { tokens: SLICE_FIRST, time_max }
    }

    /// Halves what took too long; doubles what would have fitted twice. A text's last slice may be
    /// smaller than was allowed, and says nothing of larger ones.
    fn took(&mut self, tokens: usize, time: Duration) {
        if time > self.time_max {
            self.tokens = (tokens / 2).max(1);
        } else if time < self.time_max / 2 && tokens == self.tokens {
            self.tokens = (tokens * 2).min(SLICE_MAX);
        }
    }
}
