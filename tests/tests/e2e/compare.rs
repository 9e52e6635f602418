//! How far two runs of one request may differ.
//!
//! A step that computes other sequences too, or a prompt in other slices, adds the same numbers in
//! another order; log probabilities then differ by 0.01 to 0.02, measured here. Where two tokens
//! are nearer to each other than that, either may be chosen, and from there on it is another text.

use crate::talk::{Heard, Said};

/// The distance of two log probabilities within which either token may be the likeliest: more than
/// twice what was measured, as each of the two may move.
pub(crate) const BORDER: f32 = 0.05;

/// The same of what a worker computed again as a prompt that another one had said. That moves the
/// numbers more than what else runs beside does.
///
/// Without any kill, at 5,334 places of 40 answers, the distance of the two likeliest tokens was by
/// that another one: by 0.01 at p50, 0.09 at p99 where they were near each other, 0.65 at most.
/// Behind a token too few or too many the next one is as a rule several times less likely.
pub(crate) const RECOVERED: f32 = 0.7;

/// Alternatives to ask for with a run that others are compared with: the most that there are, for
/// more than two can be near each other.
pub(crate) const NEIGHBOURS: u32 = 20;

/// Asserts that two greedy runs, with alternatives told, said the same, or parted at a place where
/// either token could be chosen; how many tokens they have in common.
pub(crate) fn same_to_a_border(one: &Heard, other: &Heard) -> usize {
    same_within(BORDER, &one.said, &other.said)
}

/// The same with another border.
pub(crate) fn same_within(border: f32, one: &[Said], other: &[Said]) -> usize {
    assert_eq!(one.len(), other.len(), "both ran to their length");
    let same = common(one, other);
    if let Some((one, other)) = one.get(same).zip(other.get(same)) {
        let distance = distance(one, other.id);
        assert!(
            distance.is_some_and(|distance| distance <= border),
            "token {same}, {}, is {distance:?} from the likeliest: {:?}",
            other.id,
            one.top
        );
    }
    same
}

/// How far a token is from the one that was chosen, if it is among the alternatives that were told.
pub(crate) fn distance(chosen: &Said, other: u32) -> Option<f32> {
    let log_probability = |id: u32| chosen.top.iter().find(|(token, _)| *token == id);
    let (high, low) = (log_probability(chosen.id), log_probability(other));
    high.zip(low).map(|((_, high), (_, low))| high - low)
}

/// How many tokens two runs have in common from the first on. The border of a draw cannot be seen
/// from outside: what is drawn is compared over many seeds, and a rule that is broken shows in all.
pub(crate) fn common<'a>(
    one: impl IntoIterator<Item = &'a Said>,
    other: impl IntoIterator<Item = &'a Said>,
) -> usize {
    one.into_iter().zip(other).take_while(|(one, other)| one.id == other.id).count()
}
