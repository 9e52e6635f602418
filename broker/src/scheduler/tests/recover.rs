//! What becomes of what a lost worker ran.

use core_wire::{
    client::{FinishReason, Priority},
    code::{Code, Refusal},
};

use super::{
    small::{WORKER, arrival, codes, generate, ready, state, submitted},
    world::line,
};
use crate::scheduler::{Arrival, Effect, End, Event, Loss, State, Task, WorkerId, step};

fn die(state: &mut State, loss: Loss) -> Vec<Effect> {
    let refusal = Refusal::new(Code::WorkerLost, "it died");
    step(state, Event::Gone { worker: WORKER, refusal, loss })
}

fn token(state: &mut State, effects: &[Effect], emitted: u32) -> Vec<Effect> {
    let Some(&Effect::Submit { job, .. }) =
        effects.iter().find(|effect| matches!(effect, Effect::Submit { .. }))
    else {
        panic!("{effects:?}");
    };
    step(state, Event::Grown { job, emitted })
}

#[test]
fn what_ran_goes_on_in_front_of_what_came_later() {
    let mut state = state();
    for number in 1..=3 {
        generate(&mut state, number, Priority::Normal);
    }
    assert_eq!(submitted(&ready(&mut state, 2)), [1, 2]);
    let effects = die(&mut state, Loss::Innocent);
    assert_eq!(codes(&effects), [], "nobody ends");
    assert!(effects.contains(&Effect::Load(line(0))));
    assert_eq!(submitted(&ready(&mut state, 2)), [1, 2]);
}

#[test]
fn a_kill_from_elsewhere_counts_against_nobody() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    for _ in 0..100 {
        assert_eq!(submitted(&ready(&mut state, 2)), [1]);
        assert_eq!(codes(&die(&mut state, Loss::Innocent)), []);
    }
}

#[test]
fn who_was_there_twice_runs_alone_and_at_the_third_death_is_quarantined() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    generate(&mut state, 2, Priority::Normal);
    assert_eq!(submitted(&ready(&mut state, 2)), [1, 2], "one death may be chance");
    die(&mut state, Loss::Suspect);
    assert_eq!(submitted(&ready(&mut state, 2)), [1, 2]);
    die(&mut state, Loss::Suspect);
    let effects = ready(&mut state, 2);
    assert_eq!(submitted(&effects), [1], "alone");
    let effects = token(&mut state, &effects, 1);
    assert!(submitted(&effects).is_empty(), "the other is a suspect still, and not alone here");
    let effects = die(&mut state, Loss::Suspect);
    assert_eq!(codes(&effects), [], "it had a token since, so it begins anew");
    let effects = ready(&mut state, 2);
    assert_eq!(submitted(&effects), [1], "the second waits until it can be alone");
    let effects = end_of(&mut state, &effects);
    assert_eq!(submitted(&effects), [2]);
    let effects = die(&mut state, Loss::Suspect);
    assert_eq!(codes(&effects), [(2, Code::Quarantined)]);
}

#[test]
fn a_token_lets_others_join_again() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    for _ in 0..2 {
        ready(&mut state, 2);
        die(&mut state, Loss::Suspect);
    }
    generate(&mut state, 2, Priority::Normal);
    let effects = ready(&mut state, 2);
    assert_eq!(submitted(&effects), [1], "nobody beside a suspect");
    assert_eq!(submitted(&token(&mut state, &effects, 1)), [2]);
}

#[test]
fn a_text_that_kills_tokenizers_is_found_as_well() {
    let mut state = state();
    let arrival = Arrival { task: Task::Brief(line(0)), ..arrival(1, Priority::Normal) };
    step(&mut state, Event::Arrived(arrival));
    for deaths in 1..=3 {
        assert_eq!(submitted(&ready(&mut state, 2)), [1], "at its {deaths}. death");
        let ended = codes(&die(&mut state, Loss::Suspect));
        assert_eq!(ended.len(), usize::from(deaths == 3), "{ended:?}");
    }
}

fn end_of(state: &mut State, effects: &[Effect]) -> Vec<Effect> {
    let Some(&Effect::Submit { job, worker: WorkerId(_), .. }) = effects.first() else {
        panic!("{effects:?}");
    };
    step(state, Event::JobEnded { job, end: End::Generated(FinishReason::Stop) })
}
