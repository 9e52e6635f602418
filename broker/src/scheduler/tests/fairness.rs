//! Between sessions by tokens, between classes by age.

use core_wire::client::Priority;
use proptest::prelude::*;

use super::sim::{Kind, Sim};
use crate::{
    ipc::ConnId,
    scheduler::{Cost, Ticket, priority::Lanes},
};

fn kind(conn: u64, class: Priority, max_tokens: u32) -> Kind {
    Kind { conn, class, cost: Cost { prompt: 1, max_tokens } }
}

#[test]
fn a_second_session_waits_for_one_request_of_the_first_per_slot() {
    for slots in [1, 4] {
        let mut sim = Sim::new(slots, 1 << 20);
        for _ in 0..100 {
            sim.generate(kind(0, Priority::Normal, 10));
        }
        (0..55).for_each(|_| sim.tick());
        let before = sim.began.len();
        // Much dearer than theirs: what it will take does not hold it up.
        let late = sim.generate(kind(1, Priority::Normal, 1_000));
        (0..20).for_each(|_| sim.tick());
        assert_eq!(sim.began.iter().position(|&ticket| ticket == late), Some(before));
    }
}

#[test]
fn requests_of_one_session_keep_their_order_whatever_is_refunded() {
    let mut sim = Sim::new(1, 1 << 20);
    let mut asked = Vec::new();
    for round in 0..40 {
        let max_tokens = if round % 2 == 0 { 500 } else { 3 };
        asked.push(sim.generate(kind(0, Priority::Normal, max_tokens)));
        sim.generate(kind(1, Priority::Normal, 7));
        sim.tick();
    }
    // Each ends after a token, long before what it was charged for.
    (0..25_000).for_each(|_| sim.tick());
    let order: Vec<_> = sim.began.iter().copied().filter(|ticket| asked.contains(ticket)).collect();
    assert_eq!(order, asked);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// While two sessions both wait, what was given out to them differs by one request at most.
    #[test]
    fn backlogged_sessions_are_served_alike(
        costs in proptest::collection::vec((1..=200u32, 1..=200u32), 20..60),
        slots in 1..5usize,
    ) {
        let mut sim = Sim::new(slots, 1 << 20);
        // They all wait behind something, so that nobody is served before both are there.
        for _ in 0..slots {
            sim.generate(kind(2, Priority::Interactive, 5));
        }
        for &(mine, yours) in &costs {
            sim.generate(kind(0, Priority::Normal, mine));
            sim.generate(kind(1, Priority::Normal, yours));
        }
        let most = 201;
        // 60 requests of at most 200 tokens on one slot, of each of two sessions.
        for _ in 0..24_100 {
            sim.tick();
            let of = |conn| sim.served.get(&conn).copied().unwrap_or(0);
            let waits = |conn| sim.began_of(conn) < costs.len();
            if waits(0) && waits(1) {
                prop_assert!(of(0).abs_diff(of(1)) <= most, "{} and {}", of(0), of(1));
            }
        }
        prop_assert_eq!(sim.ended.len(), costs.len() * 2 + slots);
    }

    /// Interactive requests come faster than they are served, and everybody else still ends.
    #[test]
    fn nothing_starves(
        slots in 1..4usize,
        lengths in proptest::collection::vec(1..400u32, 1..6),
        each in 1..40u32,
    ) {
        let mut sim = Sim::new(slots, 1 << 20);
        let mut lower = Vec::new();
        for (number, &length) in lengths.iter().enumerate() {
            let class = if number % 2 == 0 { Priority::Batch } else { Priority::Normal };
            lower.push(sim.generate(kind(0, class, length)));
        }
        // Each of at most 6 requests needs at most 8 turns of 64 tokens, a turn comes after 10 s.
        for _ in 0..500_000 {
            if sim.state.depth(Priority::Interactive) < 2 * slots {
                sim.generate(kind(1, Priority::Interactive, each));
            }
            sim.tick();
            if lower.iter().all(|ticket| sim.ended.contains(ticket)) {
                return Ok(());
            }
            sim.ended.retain(|ticket| lower.contains(ticket));
        }
        prop_assert!(false, "starved: {:?} of {lower:?} ended", sim.ended);
    }
}

#[test]
fn a_class_is_served_once_it_is_over_its_age_and_not_before() {
    let mut sim = Sim::new(1, 1 << 20);
    let first = sim.generate(kind(1, Priority::Interactive, 10));
    let normal = sim.generate(kind(0, Priority::Normal, 10));
    let batch = sim.generate(kind(0, Priority::Batch, 10));
    let (mut normal_ms, mut batch_ms) = (None, None);
    for _ in 0..12_000 {
        if sim.state.depth(Priority::Interactive) < 2 {
            sim.generate(kind(1, Priority::Interactive, 10));
        }
        sim.tick();
        let at = |ticket| sim.began.contains(&ticket).then_some(sim.now_ms);
        normal_ms = normal_ms.or(at(normal));
        batch_ms = batch_ms.or(at(batch));
    }
    assert!(sim.ended.starts_with(&[first]));
    // A slot is free each 10 ms, so nobody waits longer than one such time after the age.
    assert!((2_000..=2_010).contains(&normal_ms.unwrap()), "{normal_ms:?}");
    assert!((10_000..=10_010).contains(&batch_ms.unwrap()), "{batch_ms:?}");
}

#[test]
fn of_classes_that_are_all_over_their_age_the_highest_has_every_other_turn() {
    let mut lanes = Lanes::default();
    let classes = [Priority::Interactive, Priority::Normal, Priority::Batch];
    for (class, ticket) in classes.into_iter().cycle().zip(1..=6) {
        lanes.push(class, (ConnId(1), Ticket(ticket)), 1, 0);
    }
    let mut turns = Vec::new();
    for round in 1..=6 {
        // Longer than any age, so that whoever waits is due each time.
        let now_ms = round * 60_000;
        let next = lanes.next(now_ms).expect("somebody waits");
        lanes.serve(next);
        lanes.lane_mut(next.class).left(now_ms);
        turns.push(next.place.ticket().0);
    }
    assert_eq!(turns, [2, 1, 3, 4, 5, 6]);
}

#[test]
fn a_class_that_is_served_does_not_age() {
    let mut sim = Sim::new(2, 1 << 20);
    sim.generate(kind(0, Priority::Normal, 5_000));
    sim.generate(kind(1, Priority::Interactive, 10));
    let second = sim.generate(kind(0, Priority::Normal, 10));
    while !sim.began.contains(&second) {
        assert!(sim.now_ms < 10_000, "it starves");
        if sim.state.depth(Priority::Interactive) < 2 {
            sim.generate(kind(1, Priority::Interactive, 10));
        }
        sim.tick();
    }
    // The first one runs for 5 s; from then on nobody of the class is served.
    assert!((7_000..=7_010).contains(&sim.now_ms), "{}", sim.now_ms);
}
