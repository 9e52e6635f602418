//! Every order of events keeps the promises; single cases say what the promises are.

mod adopt;
mod checks;
mod ends;
mod fairness;
mod many;
mod ops;
mod parks;
mod places;
mod ranks;
mod recover;
mod sim;
mod small;
mod spares;
mod texts;
mod told;
mod workers;
mod world;

use proptest::prelude::*;

use self::{
    ops::{Asked, Op},
    world::World,
};

/// Operations of one history. Long enough for a queue to fill, drain and fill again.
const OPS_MAX: usize = 80;

fn op() -> impl Strategy<Value = Op> {
    let small = 0..4u8;
    prop_oneof![
        2 => (0..3u8).prop_map(Op::Open),
        1 => (0..3u8).prop_map(Op::Close),
        12 => (0..3u8, 0..6u8, 0..6u8, 0..2u8, 0..3u8, any::<(u8, u8)>(),
            proptest::option::of(1..40u8))
            .prop_map(|(conn, id, task, model, class, cost, deadline)| Op::Arrive(Asked {
                conn,
                id,
                task,
                model,
                class,
                cost,
                deadline,
            })),
        2 => (0..3u8, 0..6u8).prop_map(|(conn, id)| Op::Cancel(conn, id)),
        2 => any::<u8>().prop_map(Op::Abandon),
        3 => (any::<u8>(), 0..3u8, 0..6u8).prop_map(|(pick, conn, id)| Op::Move(pick, conn, id)),
        5 => (any::<u8>(), 1..4u8).prop_map(|(pick, slots)| Op::LoadEnds(pick, slots)),
        1 => any::<u8>().prop_map(Op::LoadFails),
        6 => any::<u8>().prop_map(Op::JobEnds),
        2 => any::<(u8, u8)>().prop_map(|(pick, prompt)| Op::Started(pick, prompt)),
        4 => any::<(u8, u8)>().prop_map(|(pick, by)| Op::Grown(pick, by)),
        4 => any::<u8>().prop_map(Op::Parked),
        1 => any::<u8>().prop_map(Op::WorkerDies),
        4 => (any::<u8>(), 0..4u8).prop_map(|(pick, loss)| Op::WorkerGone(pick, loss)),
        2 => (1..20u8).prop_map(Op::Tick),
        1 => (0..2u8).prop_map(Op::Dismiss),
        4 => (0..2u8).prop_map(Op::WantSpare),
        1 => (0..2u8).prop_map(Op::DropSpare),
        1 => small.prop_map(Op::Drain),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Exactly one end for each arrival and nothing after it, slots and cells never exceeded by
    /// what is given, one worker and one idle spare for a line at most, every queue position told
    /// and right, parks only where they help somebody, each session with its own requests whoever
    /// moves, and nobody waits for ever.
    #[test]
    fn every_history_keeps_the_promises(ops in proptest::collection::vec(op(), 1..OPS_MAX)) {
        let mut world = World::new();
        for op in ops {
            world.apply(op);
        }
        world.run_out();
    }
}
