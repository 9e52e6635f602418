//! Random sessions against a cache that notes for whom each cell was computed.

mod world;

use proptest::prelude::*;

use self::world::{Move, World};
use crate::context::pool::Sharing;

/// Domains of the sessions; 0 is the public one.
fn domain() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![1 => Just(None), 8 => (0..4_u64).prop_map(Some)]
}

fn start() -> impl Strategy<Value = Move> {
    // Prompts that have much in common with each other, or little, and end otherwise.
    (domain(), 0..40_i32, 0..3_i32, 1..50_i32, prop::bool::weighted(0.25)).prop_map(
        |(domain, same, kind, length, names)| Move::Start { domain, same, kind, length, names },
    )
}

fn step() -> impl Strategy<Value = Move> {
    prop_oneof![
        6 => start(),
        4 => (0..4_usize).prop_map(Move::Grow),
        5 => (0..4_usize).prop_map(Move::End),
        1 => (0..4_usize).prop_map(Move::Drop),
        2 => (0..4_usize).prop_map(Move::Pause),
        1 => (0..4_u64).prop_map(Move::Forget),
        1 => Just(Move::Settle),
        1 => Just(Move::Evict),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A job starts from cells of its own domain, of the public one, or of the job that it names;
    /// never from others, not even for an equal prompt, and never from what was forgotten. And what
    /// the cache says of cells is what the engine has.
    #[test]
    fn no_job_starts_from_cells_of_another_domain(
        moves in prop::collection::vec(step(), 1..80),
        sequences in 4..12_u32,
        parts in prop::bool::weighted(0.8),
    ) {
        let sharing = if parts { Sharing::Parts } else { Sharing::Whole };
        let mut world = World::new(sharing, sequences);
        for step in &moves {
            world.apply(step);
        }
    }
}

/// The test above could not fail if nothing were ever shared.
#[test]
fn random_sessions_do_share() {
    let start = |domain, length| Move::Start { domain, same: 40, kind: 1, length, names: false };
    let mut world = World::new(Sharing::Parts, 6);
    let moves = [start(Some(0), 20), Move::End(0), start(Some(1), 30), Move::End(0)];
    for step in moves.iter().chain(&[start(Some(1), 40), start(Some(2), 40)]) {
        world.apply(step);
    }
    assert_eq!(world.cached, 20 + 30 + 20);
}
