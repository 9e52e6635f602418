//! How long a prompt may hold up those who are being answered.
//!
//! A slice of a prompt costs time that grows with depth, on some machines by a factor of ten; so a
//! slice is sized in time, from what the last ones took, and `n_batch` is only its upper bound.
//! Whoever is alone in the engine waits for nobody and gets the whole bound.

#[cfg(test)]
mod tests;

use std::time::Duration;

/// The gap between two tokens that a slice may stretch a step to. Twenty tokens in a second are
/// twice as fast as anybody reads.
const GAP_TARGET: Duration = Duration::from_millis(50);

/// The slice before anything was measured; prefill is near its fastest there on small machines.
const SLICE_UNKNOWN: u32 = 16;

/// The least slice: with less, a long prompt would pay for more steps than for its own tokens.
const SLICE_MIN: u32 = 4;

/// What the old estimate weighs against a new measurement: it is forgotten within a dozen steps,
/// which is faster than depth changes the cost.
const OLD_WEIGHT: u64 = 3;

/// What steps cost, in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// One step without a slice.
    decode: Option<u64>,
    /// One token of a slice.
    token: Option<u64>,
}

impl Pace {
    /// Tokens of a step at most, slices and `decoding` tokens together, `n_batch` at most.
    pub(crate) fn step_tokens(&self, decoding: u32, n_batch: u32) -> u32 {
        if decoding == 0 {
            return n_batch;
        }
        let left = nanos(GAP_TARGET).saturating_sub(self.decode.unwrap_or(0));
        let slice = self
            .token
            .map_or(SLICE_UNKNOWN, |token| u32::try_from(left / token.max(1)).unwrap_or(u32::MAX));
        decoding.saturating_add(slice.max(SLICE_MIN)).min(n_batch)
    }

    /// Notes what a step of `decoding` tokens and a slice of `slice` tokens took.
    pub(crate) fn took(&mut self, decoding: u32, slice: u32, time: Duration) {
        if slice == 0 {
            return learn(&mut self.decode, nanos(time));
        }
        let base = match decoding {
            0 => 0,
            _ => self.decode.unwrap_or(0),
        };
        learn(&mut self.token, nanos(time).saturating_sub(base) / u64::from(slice));
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn learn(known: &mut Option<u64>, new: u64) {
    let mixed = |old: u64| old.saturating_mul(OLD_WEIGHT).saturating_add(new) / (OLD_WEIGHT + 1);
    *known = Some(known.map_or(new, mixed));
}
