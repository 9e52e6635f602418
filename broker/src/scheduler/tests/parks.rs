//! Who gives way, and how it continues.

use core_wire::{client::Priority, code::Code, ids::JobId};

use super::{
    sim::{Kind, Sim},
    small::{
        CONN, NOBODY, WORKER, arrival, codes, generate, jobs, parks, ready, state, stop, submitted,
    },
    world::{line, request},
};
use crate::scheduler::{
    Arrival, Cost, Deadline, Effect, Event, State, Task, Tenure, Ticket, cells::needed, step,
};

/// One slot, a batch request in it.
fn busy() -> (State, JobId) {
    let mut state = state();
    generate(&mut state, 1, Priority::Batch);
    let job = jobs(&ready(&mut state, 1))[0];
    (state, job)
}

fn grow(state: &mut State, job: JobId, emitted: u32) {
    assert_eq!(step(state, Event::Grown { job, emitted }), []);
}

#[test]
fn an_interactive_request_takes_the_slot_of_a_batch_one_which_continues_afterwards() {
    let (mut state, first) = busy();
    grow(&mut state, first, 20);
    generate(&mut state, 2, Priority::Batch);
    let effects = generate(&mut state, 3, Priority::Interactive);
    assert_eq!(parks(&effects), [first]);
    let more = generate(&mut state, 4, Priority::Normal);
    assert_eq!(parks(&more), [], "a park is under way, and normal ones ask for none");
    let effects = step(&mut state, Event::Parked { job: first });
    assert_eq!(submitted(&effects), [3]);
    let told = Effect::Queued { ticket: Ticket(1), position: 1, wait_ms: Some(0) };
    assert!(effects.contains(&told), "in front of its class: {effects:?}");
    let second = jobs(&effects)[0];
    let normal = stop(&mut state, second);
    assert_eq!(submitted(&normal), [4]);
    let again = stop(&mut state, jobs(&normal)[0]);
    assert_eq!(submitted(&again), [1], "before the one that came later");
    let last = stop(&mut state, jobs(&again)[0]);
    assert_eq!(submitted(&last), [2]);
}

#[test]
fn normal_requests_wait_and_interactive_ones_are_never_parked() {
    let (mut state, _) = busy();
    assert_eq!(parks(&generate(&mut state, 2, Priority::Normal)), []);
    let mut state = super::small::state();
    generate(&mut state, 1, Priority::Interactive);
    ready(&mut state, 1);
    assert_eq!(parks(&generate(&mut state, 2, Priority::Interactive)), []);
}

#[test]
fn the_one_that_loses_least_gives_way() {
    let mut state = state();
    for number in 1..=3 {
        generate(&mut state, number, Priority::Batch);
    }
    let running = jobs(&ready(&mut state, 3));
    for (&job, emitted) in running.iter().zip([70, 5, 40]) {
        grow(&mut state, job, emitted);
    }
    let effects = generate(&mut state, 4, Priority::Interactive);
    assert_eq!(parks(&effects), [running[1]]);
}

#[test]
fn a_parked_request_can_be_cancelled_and_keeps_its_deadline() {
    let (mut state, job) = busy();
    let deadline = Some(Deadline { at_ms: 50, after_ms: 50 });
    let late = Arrival { deadline, ..arrival(2, Priority::Batch) };
    step(&mut state, Event::Arrived(late));
    let second = jobs(&stop(&mut state, job))[0];
    generate(&mut state, 3, Priority::Interactive);
    assert_eq!(submitted(&step(&mut state, Event::Parked { job: second })), [3]);
    let effects = step(&mut state, Event::Tick { now_ms: 50 });
    assert_eq!(codes(&effects), [(2, Code::Deadline)]);
    let (mut state, job) = busy();
    generate(&mut state, 3, Priority::Interactive);
    step(&mut state, Event::Parked { job });
    let effects = step(&mut state, Event::Cancelled { conn: CONN, target: request(1).into() });
    assert!(matches!(effects[..], [Effect::Finish { ticket: Ticket(1), .. }]), "{effects:?}");
    assert_eq!(state.waiting(), 0);
}

/// Somebody at a screen does not wait for a long prompt because it was interrupted before; but nor
/// is a prompt interrupted for ever.
#[test]
fn one_that_was_parked_in_vain_many_times_is_left_alone_until_it_has_a_token() {
    let (mut state, mut batch) = busy();
    for number in 2..=9 {
        assert_eq!(parks(&generate(&mut state, number, Priority::Interactive)), [batch]);
        let other = jobs(&step(&mut state, Event::Parked { job: batch }))[0];
        batch = jobs(&stop(&mut state, other))[0];
    }
    assert_eq!(parks(&generate(&mut state, 10, Priority::Interactive)), []);
    let effects = step(&mut state, Event::Grown { job: batch, emitted: 1 });
    assert_eq!(parks(&effects), [batch], "somebody has waited for that");
}

#[test]
fn a_worker_without_cells_gets_nothing_until_something_has_left_it() {
    let mut state = state();
    for number in 1..=2 {
        generate(&mut state, number, Priority::Normal);
    }
    let running = jobs(&ready(&mut state, 2));
    let effects = step(&mut state, Event::Parked { job: running[0] });
    assert_eq!(submitted(&effects), NOBODY, "its cells are not free");
    assert_eq!(submitted(&stop(&mut state, running[1])), [1]);
}

#[test]
fn one_that_is_given_up_for_ever_without_a_token_ends() {
    let (mut state, mut job) = busy();
    for _ in 0..8 {
        let effects = step(&mut state, Event::Parked { job });
        job = jobs(&effects)[0];
    }
    let effects = step(&mut state, Event::Parked { job });
    assert_eq!(codes(&effects), [(1, Code::Memory)]);
    assert_eq!((state.waiting(), state.occupancy(WORKER)), (0, Some((0, 1))));
}

#[test]
fn cells_are_charged_by_blocks_and_a_large_prompt_is_not_passed() {
    assert_eq!([needed(0, 0), needed(1, 0), needed(64, 1), needed(60, 4)], [64, 128, 192, 128]);
    let mut state = four_slots();
    let mut ask = |number, prompt| {
        let cost = Cost { prompt, max_tokens: 1_000 };
        let arrival = Arrival { cost, ..arrival(number, Priority::Normal) };
        step(&mut state, Event::Arrived(arrival))
    };
    let first = jobs(&ask(1, 300));
    assert_eq!(first.len(), 1, "384 of 512, whatever it may generate");
    assert_eq!(jobs(&ask(2, 300)), []);
    assert_eq!(jobs(&ask(3, 1)), [], "128 are free, but another waits for more");
    // The estimate was too high: what it does not need others get at once.
    let effects = step(&mut state, Event::Started { job: first[0], prompt: 10 });
    assert_eq!(submitted(&effects), [2]);
    let effects =
        step(&mut state, Event::JobEnded { job: first[0], end: crate::scheduler::End::Answered });
    assert_eq!(submitted(&effects), [3]);
}

/// A worker of 512 cells and four slots.
fn four_slots() -> State {
    let mut state = state();
    let load = Arrival { task: Task::Load(line(0)), ..arrival(99, Priority::Normal) };
    step(&mut state, Event::Arrived(load));
    let (worker, slots, cells, tenure) = (WORKER, 4, 512, Tenure::default());
    step(&mut state, Event::Ready { line: line(0), worker, slots, cells, tenure });
    state
}

/// 512 cells and four slots, and what is asked for them in this order.
fn crowded(asked: &[(u8, Priority, u32)]) -> (State, Vec<Vec<Effect>>) {
    let mut state = four_slots();
    let effects = asked.iter().map(|&(number, class, prompt)| {
        let cost = Cost { prompt, max_tokens: 1_000 };
        step(&mut state, Event::Arrived(Arrival { cost, ..arrival(number, class) }))
    });
    let effects = effects.collect();
    (state, effects)
}

#[test]
fn nobody_is_parked_for_cells_that_would_not_suffice() {
    use Priority::{Batch, Interactive, Normal};
    // 320 and 128 of 512 cells are taken; without the batch job 192 are free, 256 are needed.
    let held = [(1, Normal, 256), (2, Batch, 64)];
    let (mut state, effects) = crowded(&[held[0], held[1], (3, Interactive, 192)]);
    assert_eq!(parks(&effects[2]), [], "a slot is free, and the cells of all would not do");
    let normal = jobs(&effects[0])[0];
    let ended = stop(&mut state, normal);
    assert_eq!((submitted(&ended), parks(&ended)), (vec![3], vec![]));
    let (_, effects) = crowded(&[held[0], held[1], (3, Interactive, 128)]);
    assert_eq!(parks(&effects[2]), jobs(&effects[1]), "its cells are just enough");
}

#[test]
fn several_leave_one_after_the_other_where_one_is_not_enough() {
    use Priority::{Batch, Interactive};
    let asked = [(1, Batch, 64), (2, Batch, 64), (3, Batch, 64), (4, Interactive, 256)];
    let (mut state, effects) = crowded(&asked);
    let first = parks(&effects[3]);
    assert_eq!(first.len(), 1, "one for one that waits");
    let effects = step(&mut state, Event::Parked { job: first[0] });
    let second = parks(&effects);
    assert_eq!((second.len(), submitted(&effects)), (1, vec![]));
    assert_eq!(submitted(&step(&mut state, Event::Parked { job: second[0] })), [4]);
}

#[test]
fn a_prompt_larger_than_all_cells_goes_alone() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    let running = jobs(&ready(&mut state, 2));
    let cost = Cost { prompt: 1 << 20, max_tokens: 1 };
    let arrival = Arrival { cost, ..arrival(2, Priority::Normal) };
    assert_eq!(submitted(&step(&mut state, Event::Arrived(arrival))), NOBODY);
    assert_eq!(submitted(&stop(&mut state, running[0])), [2]);
    assert_eq!(submitted(&generate(&mut state, 3, Priority::Normal)), NOBODY);
}

#[test]
fn under_a_saturating_batch_load_interactive_requests_start_at_once_and_all_batch_ones_end() {
    let kind = |class, max_tokens| Kind { conn: 0, class, cost: Cost { prompt: 1, max_tokens } };
    let mut sim = Sim::new(2, 1 << 20);
    let batch: Vec<_> = (0..8).map(|_| sim.generate(kind(Priority::Batch, 300))).collect();
    let mut waits = Vec::new();
    for _ in 0..20 {
        (0..40).for_each(|_| sim.tick());
        let ticket = sim.generate(kind(Priority::Interactive, 10));
        let asked_ms = sim.now_ms;
        while !sim.began.contains(&ticket) {
            sim.tick();
        }
        waits.push(sim.now_ms - asked_ms);
    }
    assert!(waits.iter().all(|&wait_ms| wait_ms <= 1), "one step each: {waits:?}");
    assert!(sim.parks >= 10, "{} parks", sim.parks);
    (0..3_000).for_each(|_| sim.tick());
    assert!(batch.iter().all(|ticket| sim.ended.contains(ticket)));
}
