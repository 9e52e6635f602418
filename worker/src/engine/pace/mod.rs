//! How much of a prompt goes into a step: sized in time, from what steps have cost so far.
//!
//! What a prompt's token costs depends on how deep it stands in its sequence, by a factor of ten
//! between the beginning and 8k on some shapes, and on how many are computed together: some kernels
//! are three times faster from a few hundred tokens on, others fastest at sixteen. No table knows
//! both, so each size of slice learns its own cost over depth ([`Curve`]), and a step takes the
//! smallest slice that gives a prompt nearly the best speed that fits the time. Whoever is being
//! answered waits for [`Target`] at most; where not even one token fits, one token it is.

mod curve;

#[cfg(test)]
mod tests;

use std::time::Duration;

use self::curve::Curve;

/// How long a step with nobody's next token in it may take: a cancel lands between two steps and
/// has to be through within 250 ms, whatever the depth.
const ALONE: Duration = Duration::from_millis(150);

/// The slice before anything was measured; prefill is near its fastest there on small machines.
const SLICE_UNKNOWN: u32 = 16;

/// Sizes of slices that are told apart: powers of two, up to 2^12 tokens.
const SIZES: usize = 13;

/// The share of the best speed that makes a smaller slice good enough while somebody waits for
/// tokens: a little speed for much smoothness.
const SHARE_BESIDE: f64 = 0.85;

/// The same while nobody does; only the cancel gains from smaller slices then.
const SHARE_ALONE: f64 = 0.97;

/// Every so many slices a larger size that was not seen for long is tried, so that what was learnt
/// at one depth, or beside a busy neighbour, is not believed for ever.
const PROBE_EVERY: u64 = 16;

/// Slices after which a size counts as not seen for long.
const STALE_AFTER: u64 = 64;

/// How much longer than its decoding alone a step may take where that is beyond the target: on a
/// large model some tokens of a prompt cost next to nothing beside reading all weights.
const STRETCH: f64 = 1.15;

/// What the old estimate of a step without a slice weighs against a new one.
const OLD_WEIGHT: f64 = 3.0;

/// What was put into a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    /// Sequences that got their next token.
    pub(crate) decoding: u32,
    /// Tokens of prompts.
    pub(crate) slice: u32,
    /// Where those stand in their sequences, on average.
    pub(crate) depth: u32,
}

/// What steps cost, in nanoseconds.
#[derive(Debug)]
pub(crate) struct Pace {
    target: f64,
    /// A step without a slice, by the number of decoding sequences as a power of two.
    decode: [Option<f64>; SIZES],
    /// A token of a slice, by the slice's size.
    token: [Curve; SIZES],
    /// Slices so far, and when each size was seen last.
    slices: u64,
    seen: [u64; SIZES],
}

impl Pace {
    /// Nothing is known; a step in which somebody is answered should take `target` at most.
    pub(crate) fn new(target: Duration) -> Self {
        Self {
            target: nanos(target),
            decode: [None; SIZES],
            token: Default::default(),
            slices: 0,
            seen: [0; SIZES],
        }
    }

    /// Tokens of prompts for a step beside `decoding` others, at `depth`; 1 to `most`.
    pub(crate) fn slice(&self, decoding: u32, depth: u32, most: u32) -> u32 {
        let base = self.decode_cost(decoding);
        let (time, share) = match decoding {
            0 => (nanos(ALONE), SHARE_ALONE),
            _ => (self.target.max(base * STRETCH), SHARE_BESIDE),
        };
        let left = (time - base).max(0.0);
        let choices: Vec<_> =
            (0..SIZES).filter_map(|size| self.choice(size, base, left, depth, most)).collect();
        if self.seen.iter().all(|&seen| seen == 0) {
            return SLICE_UNKNOWN.min(most);
        }
        let best = choices.iter().map(|choice| choice.speed).fold(0.0, f64::max);
        let Some(good) = choices.iter().position(|choice| choice.speed >= share * best) else {
            return 1;
        };
        let probed = choices[good + 1..].iter().find(|choice| self.is_worth_a_try(choice.size));
        probed.unwrap_or(&choices[good]).tokens
    }

    /// Notes what a step took.
    pub(crate) fn took(&mut self, load: Load, time: Duration) {
        let time = nanos(time);
        if load.slice == 0 {
            let known = &mut self.decode[size_of(load.decoding)];
            *known = Some(known.map_or(time, |old| (old * OLD_WEIGHT + time) / (OLD_WEIGHT + 1.0)));
            return;
        }
        let size = size_of(load.slice);
        let base = self.decode_cost(load.decoding);
        // A step is never cheaper than what its decoding costs alone; noise may say so.
        let token = (time - base).max(time * 0.1) / f64::from(load.slice);
        self.slices += 1;
        self.seen[size] = self.slices;
        self.token[size].learn(f64::from(load.depth), token);
    }

    /// The largest slice of a size that fits the time, if one does.
    fn choice(&self, size: usize, base: f64, left: f64, depth: u32, most: u32) -> Option<Choice> {
        let least = 1_u32 << size;
        let token = self.token_cost(size, f64::from(depth))?;
        // A float too large for a u32 becomes its maximum.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let fitting = (left / token) as u32;
        let tokens = fitting.min(2 * least - 1).min(most);
        let speed = f64::from(tokens) / (base + f64::from(tokens) * token);
        (tokens >= least).then_some(Choice { size, tokens, speed })
    }

    /// What a token costs in a slice of this size: measured, or as in the nearest smaller size that
    /// was, or else in the nearest larger.
    fn token_cost(&self, size: usize, depth: f64) -> Option<f64> {
        let smaller = (0..=size).rev();
        let mut nearest = smaller.chain(size + 1..SIZES);
        nearest.find_map(|size| self.token[size].at(depth))
    }

    fn decode_cost(&self, decoding: u32) -> f64 {
        if decoding == 0 {
            return 0.0;
        }
        let size = size_of(decoding);
        let mut nearest = (0..=size).rev().chain(size + 1..SIZES);
        nearest.find_map(|size| self.decode[size]).unwrap_or(0.0)
    }

    fn is_worth_a_try(&self, size: usize) -> bool {
        let seen = self.seen[size];
        seen == 0 || (self.slices - seen > STALE_AFTER && self.slices.is_multiple_of(PROBE_EVERY))
    }
}

/// A slice that fits, and how fast a prompt would be with it.
#[derive(Clone, Copy, Debug)]
struct Choice {
    size: usize,
    tokens: u32,
    /// Tokens in a nanosecond.
    speed: f64,
}

/// The power of two at or below `count`.
fn size_of(count: u32) -> usize {
    (count.max(1).ilog2() as usize).min(SIZES - 1)
}

fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}
