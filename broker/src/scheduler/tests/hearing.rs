//! Suspects are heard alone, one after the other, and keep nobody waiting for long.

use std::collections::BTreeMap;

use core_wire::{
    client::Priority,
    code::{Code, Refusal},
    ids::JobId,
};

use super::{
    small::{CONN, NOBODY, WORKER, arrival, codes, generate, jobs, parks, stop, submitted},
    world::line,
};
use crate::scheduler::{
    Arrival, Effect, End, Event, Limits, Loss, State, Task, hearing::HEARING_MS, step,
};

fn state() -> State {
    let mut state = State::new(Limits::waiting(200, 200));
    step(&mut state, Event::Opened(CONN));
    state
}

fn ready(state: &mut State) -> Vec<Effect> {
    super::small::ready(state, 4)
}

fn die(state: &mut State) -> Vec<Effect> {
    let refusal = Refusal::new(Code::WorkerLost, "it died");
    step(state, Event::Gone { worker: WORKER, refusal, loss: Loss::Suspect })
}

/// Everybody was there at two deaths.
fn suspected(tasks: &[fn() -> Task]) -> State {
    let mut state = state();
    for (number, task) in (1..).zip(tasks) {
        let arrival = Arrival { task: task(), ..arrival(number, Priority::Normal) };
        step(&mut state, Event::Arrived(arrival));
    }
    for _ in 0..2 {
        assert_eq!(submitted(&ready(&mut state)).len(), tasks.len());
        assert_eq!(codes(&die(&mut state)), []);
    }
    state
}

fn generates() -> Task {
    Task::Generate(line(0))
}

fn token(state: &mut State, job: JobId) -> Vec<Effect> {
    step(state, Event::Grown { job, emitted: 1 })
}

fn parked(state: &mut State, job: JobId) -> Vec<Effect> {
    step(state, Event::Parked { job })
}

fn tick(state: &mut State, now_ms: u64) -> Vec<Effect> {
    step(state, Event::Tick { now_ms })
}

#[test]
fn each_is_heard_until_its_first_token_and_then_all_go_on_together() {
    let mut state = suspected(&[generates, generates, generates]);
    let first = ready(&mut state);
    assert_eq!(submitted(&first), [1]);
    let cleared = token(&mut state, jobs(&first)[0]);
    assert_eq!(parks(&cleared), jobs(&first), "it gives way until the others have been heard");
    let second = parked(&mut state, jobs(&first)[0]);
    assert_eq!(submitted(&second), [2]);
    token(&mut state, jobs(&second)[0]);
    let third = parked(&mut state, jobs(&second)[0]);
    assert_eq!(submitted(&third), [3]);
    let all = token(&mut state, jobs(&third)[0]);
    assert_eq!(submitted(&all), [1, 2], "beside the last, which goes on");
    assert_eq!(state.occupancy(WORKER), Some((3, 4)));
}

#[test]
fn a_new_worker_hears_suspects_before_it_serves_others() {
    let mut state = suspected(&[generates]);
    generate(&mut state, 2, Priority::Interactive);
    let heard = ready(&mut state);
    assert_eq!(submitted(&heard), [1]);
    assert_eq!(codes(&die(&mut state)), [(1, Code::Quarantined)]);
    assert_eq!(submitted(&ready(&mut state)), [2]);
}

#[test]
fn whoever_waits_behind_a_suspect_waits_for_a_named_time() {
    let mut state = suspected(&[generates]);
    let heard = jobs(&ready(&mut state))[0];
    assert_eq!(state.next_deadline_ms(), None, "nobody else waits");
    tick(&mut state, 500);
    assert_eq!(submitted(&generate(&mut state, 2, Priority::Normal)), NOBODY);
    assert_eq!(state.next_deadline_ms(), Some(HEARING_MS));
    assert_eq!(parks(&tick(&mut state, HEARING_MS)), [heard]);
    let others = parked(&mut state, heard);
    assert_eq!(submitted(&others), [2]);
    assert_eq!(submitted(&generate(&mut state, 3, Priority::Normal)), [3], "and who comes later");
    let running = [jobs(&others), vec![JobId(heard.0 + 2)]].concat();
    assert_eq!(state.next_deadline_ms(), Some(2 * HEARING_MS), "but not for ever");
    assert_eq!(parks(&tick(&mut state, 2 * HEARING_MS)), running);
    assert_eq!(submitted(&parked(&mut state, running[0])), NOBODY, "not beside the other one");
    let again = parked(&mut state, running[1]);
    assert_eq!(submitted(&again), [1]);
    assert_eq!(submitted(&token(&mut state, jobs(&again)[0])), [2, 3]);
}

#[test]
fn who_comes_late_has_its_turn_at_once() {
    let mut state = suspected(&[generates]);
    let heard = jobs(&ready(&mut state))[0];
    tick(&mut state, 5 * HEARING_MS);
    assert_eq!(parks(&generate(&mut state, 2, Priority::Normal)), [heard]);
}

#[test]
fn a_prompt_that_is_longer_than_its_turns_is_read_to_its_end_all_the_same() {
    let mut state = suspected(&[generates]);
    let mut heard = jobs(&ready(&mut state))[0];
    let mut other = generate(&mut state, 2, Priority::Normal);
    for turn in 0..8 {
        let asked = tick(&mut state, (2 * turn + 1) * HEARING_MS);
        assert_eq!(parks(&asked), [heard], "turn {turn}");
        other = parked(&mut state, heard);
        let asked = tick(&mut state, (2 * turn + 2) * HEARING_MS);
        assert_eq!(parks(&asked), jobs(&other));
        heard = jobs(&parked(&mut state, jobs(&other)[0]))[0];
    }
    assert_eq!(parks(&tick(&mut state, 17 * HEARING_MS)), [], "now it stays until it has a token");
    assert_eq!(submitted(&token(&mut state, heard)), submitted(&other));
}

#[test]
fn a_suspect_that_takes_no_slot_neither_starves_nor_blocks_its_queue() {
    let tasks: [fn() -> Task; 2] = [|| Task::Brief(line(0)), || Task::Embed(line(0))];
    for task in tasks {
        let mut state = suspected(&[task]);
        let heard = jobs(&ready(&mut state))[0];
        // What of its kind comes later passes it once its turn is over, and runs with the others.
        generate(&mut state, 2, Priority::Normal);
        let later = Arrival { task: task(), ..arrival(3, Priority::Normal) };
        assert_eq!(submitted(&step(&mut state, Event::Arrived(later))), NOBODY);
        let freed = step(&mut state, Event::JobEnded { job: heard, end: End::Answered });
        assert_eq!(submitted(&freed), [2, 3]);
        // In a worker that is never idle it has its turn all the same.
        let mut state = suspected(&[generates, task]);
        let first = jobs(&ready(&mut state))[0];
        for number in 3..20 {
            generate(&mut state, number, Priority::Interactive);
        }
        token(&mut state, first);
        assert_eq!(submitted(&parked(&mut state, first)), [2]);
    }
}

#[test]
fn nobody_is_convicted_for_the_end_of_a_worker_that_had_run_others() {
    let mut state = suspected(&[generates, generates, generates]);
    let first = ready(&mut state);
    let second = stop(&mut state, jobs(&first)[0]);
    assert_eq!(submitted(&second), [2]);
    assert_eq!(codes(&die(&mut state)), [], "the first one may have left harm behind");
    let again = ready(&mut state);
    assert_eq!(submitted(&again), [2], "before the third: in a worker that ran nothing");
    assert_eq!(codes(&die(&mut state)), [(2, Code::Quarantined)]);
    let third = ready(&mut state);
    assert_eq!(submitted(&third), [3]);
}

#[test]
fn who_gave_way_to_itself_alone_was_alone() {
    let mut state = suspected(&[generates]);
    let heard = jobs(&ready(&mut state))[0];
    assert_eq!(submitted(&parked(&mut state, heard)), [1], "its worker had no cells for it");
    assert_eq!(codes(&die(&mut state)), [(1, Code::Quarantined)]);
}

#[test]
fn what_ran_beside_one_that_was_heard_is_not_alone() {
    let mut state = suspected(&[generates]);
    let heard = jobs(&ready(&mut state))[0];
    generate(&mut state, 2, Priority::Normal);
    let joined = token(&mut state, heard);
    stop(&mut state, jobs(&joined)[0]);
    for _ in 0..2 {
        assert_eq!(codes(&die(&mut state)), []);
        assert_eq!(submitted(&ready(&mut state)), [1]);
    }
    assert_eq!(codes(&die(&mut state)), [(1, Code::Quarantined)], "a third, after its last token");
}

/// A worker whose suspect never gets anywhere, and somebody new every second.
#[test]
fn a_steady_queue_is_served_beside_a_suspect_that_gets_nowhere() {
    let mut state = suspected(&[generates]);
    let mut effects = ready(&mut state);
    let (mut running, mut waits) = (Vec::new(), BTreeMap::<u64, u64>::new());
    let mut heard = 0;
    for now_ms in (0..8 * 2 * HEARING_MS).step_by(500) {
        for _ in 0..8 {
            let given = submitted(&effects).into_iter().zip(jobs(&effects));
            for (ticket, job) in given {
                heard += u32::from(ticket == 1);
                waits.remove(&ticket);
                running.push((ticket, job));
            }
            let Some(&job) = parks(&effects).first() else {
                break;
            };
            running.retain(|&(_, other)| other != job);
            let more = parks(&effects).split_off(1);
            effects = parked(&mut state, job);
            effects.extend(more.into_iter().map(|job| Effect::Park { worker: WORKER, job }));
        }
        let longest = waits.values().map(|since| now_ms - since).max().unwrap_or(0);
        assert!(longest <= HEARING_MS + 2_000, "{longest} ms at {now_ms}");
        // What runs ends after a second; the suspect never does.
        let done = running.iter().position(|&(ticket, _)| ticket != 1);
        effects = tick(&mut state, now_ms);
        if let Some(at) = done {
            effects.extend(stop(&mut state, running.remove(at).1));
        }
        if now_ms % 1_000 == 0 {
            let number = 2 + u8::try_from(now_ms / 1_000).expect("few");
            waits.insert(number.into(), now_ms);
            effects.extend(generate(&mut state, number, Priority::Normal));
        }
    }
    assert!(heard >= 4, "and the suspect has its turns: {heard}");
}
