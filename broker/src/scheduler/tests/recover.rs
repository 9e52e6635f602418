//! What becomes of what a lost worker ran.

use std::collections::BTreeMap;

use core_wire::{
    client::{FinishReason, Priority},
    code::{Code, Refusal},
    ids::JobId,
};
use proptest::prelude::*;

use super::{
    small::{CONN, WORKER, arrival, codes, generate, jobs, ready, state, submitted},
    world::{line, request},
};
use crate::scheduler::{Arrival, Cost, Effect, End, Event, Loss, State, Task, Ticket, step};

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
    assert_eq!(submitted(&effects), [2], "the second has a worker of its own");
    let effects = die(&mut state, Loss::Suspect);
    assert_eq!(codes(&effects), [(2, Code::Quarantined)]);
    assert_eq!(submitted(&ready(&mut state, 2)), [1]);
}

#[test]
fn the_death_of_a_lone_suspect_is_told_from_one_that_others_may_have_caused() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    for _ in 0..2 {
        ready(&mut state, 2);
        step(&mut state, Event::Dying(WORKER));
        assert!(!state.runs_suspect(WORKER), "it may be the model");
        die(&mut state, Loss::Suspect);
    }
    let effects = ready(&mut state, 2);
    step(&mut state, Event::Dying(WORKER));
    assert!(state.runs_suspect(WORKER), "as well when its worker ends");
    token(&mut state, &effects, 1);
    assert!(!state.runs_suspect(WORKER), "a worker survived it");
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
fn what_has_all_its_tokens_ends_with_its_worker_and_is_not_asked_for_one_more() {
    for loss in [Loss::Innocent, Loss::Suspect, Loss::Final] {
        let mut state = state();
        let cost = Cost { prompt: 8, max_tokens: 3 };
        step(&mut state, Event::Arrived(Arrival { cost, ..arrival(1, Priority::Normal) }));
        let effects = ready(&mut state, 2);
        token(&mut state, &effects, 3);
        let end = End::Generated(FinishReason::Length);
        let done = Effect::Finish { ticket: Ticket(1), end };
        assert_eq!(die(&mut state, loss), [done], "{loss:?}: and no worker for nobody");
    }
    // A worker that gives it up instead of ending it is no better.
    let mut state = state();
    let cost = Cost { prompt: 8, max_tokens: 3 };
    step(&mut state, Event::Arrived(Arrival { cost, ..arrival(1, Priority::Normal) }));
    let effects = ready(&mut state, 2);
    token(&mut state, &effects, 3);
    let effects = step(&mut state, Event::Parked { job: jobs(&effects)[0] });
    assert!(submitted(&effects).is_empty() && codes(&effects).is_empty(), "{effects:?}");
    assert!(!state.is_open(CONN, &request(1)));
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

/// What happens to whoever runs between a load and the death of its worker.
#[derive(Clone, Copy, Debug)]
struct Life {
    /// Tokens that everybody gets.
    tokens: u32,
    loss: Loss,
    /// Whether somebody new comes to sit beside.
    arrives: bool,
}

fn life(loss: impl Strategy<Value = Loss>) -> impl Strategy<Value = Life> {
    let all = (0..3_u32, loss, any::<bool>());
    all.prop_map(|(tokens, loss, arrives)| Life { tokens, loss, arrives })
}

/// Lives through workers until the first request ends; the deaths that it was there for and that
/// were not innocent, and its end.
fn live(lives: &[Life]) -> (u32, Option<Code>) {
    let mut state = state();
    let mut next = 1;
    generate(&mut state, next, Priority::Normal);
    let (mut deaths, mut emitted) = (0, BTreeMap::new());
    for life in lives {
        if life.arrives {
            next += 1;
            generate(&mut state, next, Priority::Normal);
        }
        let effects = ready(&mut state, 2);
        let mut seats = tickets(&effects);
        let mut at = 0;
        while let Some(&(ticket, job)) = seats.get(at) {
            for _ in 0..life.tokens {
                let count = emitted.entry(ticket).or_insert(0);
                *count += 1;
                seats.extend(tickets(&step(&mut state, Event::Grown { job, emitted: *count })));
            }
            at += 1;
        }
        let there = seats.iter().any(|(ticket, _)| *ticket == 1);
        deaths += u32::from(there && life.loss == Loss::Suspect);
        let ended = codes(&die(&mut state, life.loss));
        if let Some((_, code)) = ended.iter().find(|(ticket, _)| *ticket == 1) {
            return (deaths, Some(*code));
        }
    }
    (deaths, None)
}

fn tickets(effects: &[Effect]) -> Vec<(u64, JobId)> {
    submitted(effects).into_iter().zip(jobs(effects)).collect()
}

proptest! {
    /// Whatever it gets and whoever is there: at its 16th death a request has ended, and never for
    /// anything but its deaths.
    #[test]
    fn nobody_is_retried_for_ever(
        lives in prop::collection::vec(life(Just(Loss::Suspect)), 100),
    ) {
        let (deaths, end) = live(&lives);
        prop_assert_eq!(end, Some(Code::Quarantined));
        prop_assert!((3..=16).contains(&deaths), "{} deaths", deaths);
    }

    /// Kills from elsewhere count against nobody, however many there are and whatever comes
    /// between.
    #[test]
    fn innocent_deaths_end_nobody(
        lives in prop::collection::vec(life(Just(Loss::Innocent)), 100),
    ) {
        prop_assert_eq!(live(&lives), (0, None));
    }
}

#[test]
fn a_worker_that_lies_after_true_tokens_is_found_as_well() {
    let lies = Life { tokens: 2, loss: Loss::Suspect, arrives: false };
    assert_eq!(live(&[lies; 7]), (7, None), "an answer survives a few crashes");
    assert_eq!(live(&[lies; 8]), (8, Some(Code::Quarantined)));
    // Between lies that are told in company and kills from elsewhere as well.
    let beside = Life { arrives: true, ..lies };
    let killed = Life { loss: Loss::Innocent, ..lies };
    let (deaths, end) = live(&[[beside, killed, lies, killed]; 24].concat());
    assert_eq!(end, Some(Code::Quarantined));
    assert!(deaths > 8, "those in company end nobody: {deaths}");
}
