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
/// has to be through within 250 ms, whatever the depth. Less would keep deep prompts from the sizes
/// at which kernels work in tiles, which halved their speed.
const ALONE: Duration = Duration::from_millis(180);

/// The share of the target that is aimed at, so that the slowest of a hundred steps still keeps it:
/// with the costs of the last ten known, steps of one size spread by some ten percent.
const AIM: f64 = 0.85;

/// The slice before anything was measured; prefill is near its fastest there on small machines.
const SLICE_UNKNOWN: u32 = 16;

/// Sizes of slices that are told apart: powers of two, up to 2^12 tokens.
const SIZES: usize = 13;

/// The share of the best speed that makes a smaller slice good enough while somebody waits for
/// tokens: a little speed for much smoothness.
const SHARE_BESIDE: f64 = 0.85;

/// The same while nobody does; only the cancel gains from smaller slices then.
const SHARE_ALONE: f64 = 0.97;

/// Slices after which a size counts as unknown again, so that what was learnt at one depth, or
/// beside a busy neighbour, is not believed for ever. A try in so many is none of a hundred.
const STALE_AFTER: u64 = 256;

/// How much dearer a token may be in a larger slice than in a smaller one. More was never seen, and
/// is taken for a step that was held up: that size is tried again soon.
const DEARER_MAX: f64 = 2.0;

/// Slices after which such a size is tried again.
const DOUBTED_FOR: u64 = 16;

/// How much longer than the shortest step one may take where none is short enough for a cancel: on
/// a large model sixteen tokens take little longer than one.
const STRETCH_ALONE: f64 = 1.5;

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
            target: nanos(target) * AIM,
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
        if self.slices == 0 {
            return SLICE_UNKNOWN.min(most);
        }
        let costs = self.costs(f64::from(depth));
        let choice = |size| choice(size, token_cost(&costs, size)?, base, left, most);
        let choices: Vec<_> = (0..SIZES).filter_map(choice).collect();
        let best = choices.iter().map(|choice| choice.speed).fold(0.0, f64::max);
        let Some(good) = choices.iter().position(|choice| choice.speed >= share * best) else {
            return if decoding == 0 { shortest(&costs).min(most) } else { 1 };
        };
        let probed = choices[good + 1..].iter().find(|choice| costs[choice.size].is_none());
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

    /// What a token costs at `depth` in each size of slice that is known and believed.
    fn costs(&self, depth: f64) -> Costs {
        let mut costs = [None; SIZES];
        let mut smaller = f64::INFINITY;
        for (size, known) in costs.iter_mut().enumerate() {
            let cost = self.token[size].at(depth).filter(|_| self.is_known(size));
            let believed = |cost: &f64| {
                *cost <= smaller * DEARER_MAX || self.slices - self.seen[size] < DOUBTED_FOR
            };
            *known = cost.filter(believed);
            smaller = known.map_or(smaller, |cost| smaller.min(cost));
        }
        costs
    }

    fn decode_cost(&self, decoding: u32) -> f64 {
        if decoding == 0 {
            return 0.0;
        }
        let size = size_of(decoding);
        let mut nearest = (0..=size).rev().chain(size + 1..SIZES);
        nearest.find_map(|size| self.decode[size]).unwrap_or(0.0)
    }

    /// Whether the size was measured lately.
    fn is_known(&self, size: usize) -> bool {
        self.seen[size] > 0 && self.slices - self.seen[size] <= STALE_AFTER
    }
}

/// What a token costs, by the size of the slice; `None` where that is not known.
type Costs = [Option<f64>; SIZES];

/// The cost of a size: its own, or that of the nearest smaller one, or else of the nearest larger.
fn token_cost(costs: &Costs, size: usize) -> Option<f64> {
    let nearest = costs[..=size].iter().rev().chain(&costs[size + 1..]);
    nearest.copied().find_map(|cost| cost)
}

/// The largest slice of a size that fits the time, if one does.
fn choice(size: usize, token: f64, base: f64, left: f64, most: u32) -> Option<Choice> {
    let least = 1_u32 << size;
    // A float too large for a u32 becomes its maximum.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let fitting = (left / token) as u32;
    let tokens = fitting.min(2 * least - 1).min(most);
    let speed = f64::from(tokens) / (base + f64::from(tokens) * token);
    (tokens >= least).then_some(Choice { size, tokens, speed })
}

/// The largest slice of a known size that takes little longer than the shortest step.
fn shortest(costs: &Costs) -> u32 {
    let step = |(size, cost): (usize, &Option<f64>)| {
        let tokens = 1_u32 << size;
        cost.map(|token| (tokens, f64::from(tokens) * token))
    };
    let steps: Vec<_> = costs.iter().enumerate().filter_map(step).collect();
    let least = steps.iter().map(|&(_, time)| time).fold(f64::INFINITY, f64::min);
    let long = steps.iter().rev().find(|(_, time)| *time <= STRETCH_ALONE * least);
    long.map_or(1, |&(tokens, _)| tokens)
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
