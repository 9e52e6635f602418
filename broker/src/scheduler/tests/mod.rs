//! Every order of events keeps the promises; single cases say what the promises are.

mod adopt;
mod asks;
mod blame;
mod checks;
mod desk;
mod ends;
mod fairness;
mod hearing;
mod keeps;
mod killed;
mod loads;
mod many;
mod ops;
mod parks;
mod places;
mod ranks;
mod recover;
mod room;
mod sim;
mod small;
mod spares;
mod swaps;
mod texts;
mod told;
mod workers;
mod world;

use proptest::prelude::*;

use self::{
    ops::{Asked, Op},
    world::World,
};

/// Operations of one history. Long enough for a queue to fill, drain and fill again, and for files
/// to be swapped while others wait for memory.
const OPS_MAX: usize = 120;

/// Models of a history; two or three of them fit at once.
const MODELS: u8 = 4;

fn op() -> impl Strategy<Value = Op> {
    let small = 0..4u8;
    prop_oneof![
        2 => (0..3u8).prop_map(Op::Open),
        1 => (0..3u8).prop_map(Op::Close),
        12 => (0..3u8, 0..6u8, 0..6u8, 0..MODELS, 0..3u8, any::<(u8, u8)>(),
            proptest::option::of(1..40u8), 0..6u8)
            .prop_map(|(conn, id, task, model, class, cost, deadline, bound)| Op::Arrive(Asked {
                conn,
                id,
                task,
                model,
                class,
                cost,
                deadline,
                bound,
            })),
        2 => (0..3u8, 0..6u8, 0..MODELS).prop_map(|(conn, id, model)| Op::Swap(conn, id, model)),
        1 => (0..MODELS).prop_map(Op::Wanted),
        2 => (0..3u8, 0..6u8).prop_map(|(conn, id)| Op::Cancel(conn, id)),
        2 => any::<u8>().prop_map(Op::Abandon),
        3 => (any::<u8>(), 0..3u8, 0..6u8).prop_map(|(pick, conn, id)| Op::Move(pick, conn, id)),
        9 => (any::<u8>(), 1..4u8).prop_map(|(pick, slots)| Op::LoadEnds(pick, slots)),
        1 => any::<u8>().prop_map(Op::LoadFails),
        2 => any::<u8>().prop_map(Op::LoadKilled),
        6 => any::<u8>().prop_map(Op::JobEnds),
        2 => any::<(u8, u8)>().prop_map(|(pick, prompt)| Op::Started(pick, prompt)),
        4 => any::<(u8, u8)>().prop_map(|(pick, by)| Op::Grown(pick, by)),
        4 => any::<u8>().prop_map(Op::Parked),
        1 => any::<u8>().prop_map(Op::WorkerDies),
        4 => (any::<u8>(), 0..4u8).prop_map(|(pick, loss)| Op::WorkerGone(pick, loss)),
        2 => (1..20u8).prop_map(Op::Tick),
        1 => (1..20u8).prop_map(Op::Wait),
        1 => (0..MODELS).prop_map(Op::Dismiss),
        4 => (0..MODELS).prop_map(Op::WantSpare),
        1 => (0..MODELS).prop_map(Op::DropSpare),
        1 => small.prop_map(Op::Drain),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1024,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Exactly one end for each arrival and nothing after it, slots and cells never exceeded by
    /// what is given, one worker and one idle spare for a line at most, every queue position told
    /// and right, parks only where they help somebody or make room for a swap, memory never above
    /// the budget, nobody evicted who is needed, nobody refused who could have had room, tokens
    /// only behind tokens of their own vocabulary, each session with its own requests whoever
    /// moves, nobody beside a suspect, nobody told of a kill during a load, and nobody waits for
    /// ever.
    #[test]
    fn every_history_keeps_the_promises(ops in proptest::collection::vec(op(), 1..OPS_MAX)) {
        let mut world = World::new();
        for op in ops {
            world.apply(op);
        }
        world.run_out();
    }
}
