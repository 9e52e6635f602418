mod world;

use proptest::prelude::*;

use self::world::{World, op};
use super::{Demand, Leases, NotAsked, QUANTUM_MS, Turn};
use crate::scheduler::WorkerId;

const A: WorkerId = WorkerId(1);
const B: WorkerId = WorkerId(2);
const C: WorkerId = WorkerId(3);

fn two() -> Leases {
    let mut leases = Leases::new(2);
    leases.enter(A, 2);
    leases.enter(B, 2);
    leases
}

#[test]
fn a_lone_worker_keeps_its_cores_and_needs_no_timer() {
    let mut leases = two();
    assert_eq!(leases.demand(A, Demand::Busy, 0), [Turn::Run(A)]);
    for now_ms in 1..10 {
        assert_eq!(leases.demand(A, Demand::Idle, now_ms), []);
        assert_eq!(leases.demand(A, Demand::Busy, now_ms), [], "it has never given them back");
        assert_eq!(leases.next_due_ms(), None);
    }
}

#[test]
fn an_idle_holder_gives_way_at_once() {
    let mut leases = two();
    leases.demand(A, Demand::Busy, 0);
    leases.demand(A, Demand::Idle, 1);
    assert_eq!(leases.demand(B, Demand::Busy, 2), [Turn::Pause(A)]);
    assert_eq!(leases.paused(A, 3), Ok(vec![Turn::Run(B)]));
}

#[test]
fn two_busy_workers_take_turns() {
    let mut leases = two();
    leases.demand(A, Demand::Busy, 0);
    assert_eq!(leases.demand(B, Demand::Busy, 10), []);
    assert_eq!(leases.next_due_ms(), Some(QUANTUM_MS));
    assert_eq!(leases.tick(QUANTUM_MS - 1), []);
    assert_eq!(leases.tick(QUANTUM_MS), [Turn::Pause(A)]);
    assert_eq!(leases.next_due_ms(), None, "its answer is waited for, not a time");
    assert_eq!(leases.paused(A, 60), Ok(vec![Turn::Run(B)]));
    assert_eq!(leases.next_due_ms(), Some(60 + QUANTUM_MS), "the first one waits now");
    assert_eq!(leases.tick(60 + QUANTUM_MS), [Turn::Pause(B)]);
    assert_eq!(leases.paused(B, 115), Ok(vec![Turn::Run(A)]));
}

#[test]
fn who_ran_alone_for_long_gives_way_at_once() {
    let mut leases = two();
    leases.demand(A, Demand::Busy, 0);
    assert_eq!(leases.demand(B, Demand::Busy, 5_000), [Turn::Pause(A)]);
}

#[test]
fn a_worker_that_dies_gives_everything_back() {
    let mut leases = two();
    leases.demand(A, Demand::Busy, 0);
    leases.demand(B, Demand::Busy, 1);
    assert_eq!(leases.gone(A, 2), [Turn::Run(B)]);
    assert_eq!(leases.gone(B, 3), []);
    assert_eq!(leases.next_due_ms(), None);
}

#[test]
fn small_workers_compute_beside_each_other_and_do_not_pass_a_large_one() {
    let mut leases = two();
    leases.enter(A, 1);
    leases.enter(C, 1);
    assert_eq!(leases.demand(A, Demand::Busy, 0), [Turn::Run(A)]);
    assert_eq!(leases.demand(B, Demand::Busy, 1), [], "it needs both cores");
    assert_eq!(leases.demand(C, Demand::Busy, 2), [], "there is a core, but B came first");
    assert_eq!(leases.tick(QUANTUM_MS), [Turn::Pause(A)]);
    assert_eq!(leases.paused(A, 55), Ok(vec![Turn::Run(B)]));
    assert_eq!(leases.tick(55 + QUANTUM_MS), [Turn::Pause(B)]);
    assert_eq!(leases.paused(B, 110), Ok(vec![Turn::Run(C), Turn::Run(A)]));
}

#[test]
fn more_threads_than_cores_are_clamped() {
    let mut leases = Leases::new(2);
    leases.enter(A, 64);
    assert_eq!(leases.demand(A, Demand::Busy, 0), [Turn::Run(A)]);
}

#[test]
fn paused_unasked_is_a_lie() {
    let mut leases = two();
    assert_eq!(leases.paused(A, 0), Err(NotAsked));
    leases.demand(A, Demand::Busy, 0);
    assert_eq!(leases.paused(A, 1), Err(NotAsked));
    assert_eq!(leases.paused(WorkerId(9), 1), Err(NotAsked));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Never more threads than cores, never an order twice, no timer without somebody who waits,
    /// and nobody waits for ever.
    #[test]
    fn every_history_keeps_the_promises(
        cores in 1..5_u32,
        ops in proptest::collection::vec(op(), 1..80),
    ) {
        let mut world = World::new(cores);
        for op in ops {
            world.apply(op);
        }
        world.serve_all();
    }
}
