//! How far two runs of one request may differ.
//!
//! A step that computes other sequences too, or a prompt in other slices, adds the same numbers in
//! another order; log probabilities then differ by 0.01 to 0.02, measured here. Where two tokens
//! are nearer to each other than that, either may be chosen, and from there on it is another text.

use crate::talk::{Heard, Said};

/// The distance of two log probabilities within which either token may be the likeliest: more than
/// twice what was measured, as each of the two may move.
const BORDER: f32 = 0.05;

/// Asserts that two greedy runs, with two alternatives told, said the same, or parted at a place
/// where either token could be chosen; how many tokens they have in common.
pub(crate) fn same_to_a_border(one: &Heard, other: &Heard) -> usize {
    same_within(BORDER, &one.said, &other.said)
}

/// The same with another border.
pub(crate) fn same_within(border: f32, one: &[Said], other: &[Said]) -> usize {
    assert_eq!(one.len(), other.len(), "both ran to their length");
    let same = common(one, other);
    if let Some((one, other)) = one.get(same).zip(other.get(same)) {
        let [(first, high), (second, low), ..] = one.top[..] else { panic!("no alternatives") };
        assert_eq!((first, second), (one.id, other.id), "token {same} is not one of the likeliest");
        assert!(high - low <= border, "token {same} differs at a distance of {}", high - low);
    }
    same
}

/// How many tokens two runs have in common from the first on. The border of a draw cannot be seen
/// from outside: what is drawn is compared over many seeds, and a rule that is broken shows in all.
pub(crate) fn common<'a>(
    one: impl IntoIterator<Item = &'a Said>,
    other: impl IntoIterator<Item = &'a Said>,
) -> usize {
    one.into_iter().zip(other).take_while(|(one, other)| one.id == other.id).count()
}
