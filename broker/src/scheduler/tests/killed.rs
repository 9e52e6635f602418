//! A worker that is killed while it loads is loaded again, and what a lost one held stays for the
//! next.

use core_wire::{client::Priority, code::Code};

use super::{
    desk::{Desk, no_room, stop},
    small::{CONN, codes, generate, ready, request_of, state, submitted},
    spares::desk_with_spare,
    world::{line, lost},
};
use crate::scheduler::{Effect, Event, KILLED_LOADS_MAX, LineId, State, Tenure, step};

/// A line that serves a request in 40 bytes as worker 1, and has a spare of as many: worker 2.
fn busy_beside_a_spare() -> (Desk, LineId, u64) {
    let (mut desk, model) = desk_with_spare();
    desk.ready(&model, 2, Tenure::default());
    let (ticket, _) = desk.generate(&model);
    (desk, model, ticket)
}

fn kill(state: &mut State) -> Vec<Effect> {
    step(state, Event::LoadKilled { line: line(0), refusal: lost() })
}

#[test]
fn nobody_who_waits_is_told_of_a_kill() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    for _ in 0..KILLED_LOADS_MAX {
        assert_eq!(kill(&mut state), [Effect::Load(line(0))]);
    }
    assert_eq!(submitted(&ready(&mut state, 1)), [1]);
    assert_eq!(state.killed_rest_ms(&line(0)), 0, "it begins anew");
}

#[test]
fn once_too_often_in_a_row_ends_those_who_wait_and_the_next_one_is_served_again() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    let mut rests = Vec::new();
    for _ in 0..KILLED_LOADS_MAX {
        kill(&mut state);
        rests.push(state.killed_rest_ms(&line(0)));
    }
    assert_eq!(rests[..4], [0, 20, 40, 80], "none after the first");
    assert!(rests.is_sorted() && rests.iter().sum::<u64>() < 15_000, "{rests:?}");
    assert_eq!(codes(&kill(&mut state)), [(1, Code::WorkerLost)]);
    assert!(generate(&mut state, 2, Priority::Normal).contains(&Effect::Load(line(0))));
    assert_eq!(kill(&mut state), [Effect::Load(line(0))]);
}

#[test]
fn nothing_is_loaded_again_for_nobody() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    step(&mut state, Event::Cancelled { conn: CONN, target: request_of(1) });
    assert_eq!(kill(&mut state), []);
    assert!(!state.has_line(&line(0)));
}

#[test]
fn a_spare_that_is_killed_while_it_loads_is_nobodys_trouble_before_and_after_it_was_needed() {
    let mut desk = Desk::new(100);
    let model = desk.serve(0, 40, Tenure::default());
    let (ticket, _) = desk.generate(&model);
    let killed = Event::LoadKilled { line: model.clone(), refusal: lost() };
    desk.step(Event::SpareWanted(model.clone()));
    assert_eq!(desk.step(killed.clone()), []);
    desk.step(Event::SpareWanted(model.clone()));
    desk.sized(&model, 40, 0);
    desk.gone(1);
    assert_eq!(desk.step(killed), [Effect::Load(model.clone())]);
    assert_eq!(desk.state.granted(), 40, "what it was granted is kept for the next");
    assert_eq!(desk.sized(&model, 50, 0), [Effect::Start(model.clone())]);
    assert_eq!(desk.state.granted(), 50);
    assert_eq!(submitted(&desk.ready(&model, 3, Tenure::default())), [ticket]);
}

#[test]
fn a_kill_does_not_end_a_swap() {
    let mut desk = Desk::new(100);
    let model = desk.serve(0, 40, Tenure::default());
    let (_, new, _) = desk.swap(&model, 1);
    desk.sized(&new, 40, 0);
    let killed = Event::LoadKilled { line: new.clone(), refusal: lost() };
    assert_eq!(desk.step(killed), [Effect::Load(new.clone())]);
    desk.sized(&new, 40, 0);
    let swapped = desk.ready(&new, 7, Tenure::default());
    assert!(matches!(swapped[0], Effect::Swapped { .. }), "{swapped:?}");
}

#[test]
fn what_a_lost_worker_held_is_given_to_nobody_else_while_the_next_one_is_prepared() {
    let mut desk = Desk::new(100);
    let model = desk.serve(0, 60, Tenure::default());
    let (ticket, _) = desk.generate(&model);
    assert!(desk.gone(1).contains(&Effect::Load(model.clone())));
    assert_eq!(desk.state.granted(), 60);
    // Another model asks meanwhile, for what seems to be free.
    desk.generate(&line(1));
    let refused = desk.sized(&line(1), 60, 0);
    assert!(no_room(&refused).is_some_and(|refusal| refusal.retry_after_ms.is_some()));
    desk.fails(&line(1), lost());
    assert_eq!(desk.sized(&model, 55, 0), [Effect::Start(model.clone())]);
    assert_eq!(desk.state.granted(), 55, "in the place of the old one");
    assert_eq!(submitted(&desk.ready(&model, 2, Tenure::default())), [ticket]);
}

#[test]
fn nor_while_its_spare_is_prepared_or_fails() {
    let mut desk = Desk::new(100);
    let model = desk.serve(0, 60, Tenure::default());
    let (ticket, _) = desk.generate(&model);
    desk.step(Event::SpareWanted(model.clone()));
    // What was begun as the spare has not asked for memory when it is needed.
    assert!(!desk.gone(1).contains(&Effect::Load(model.clone())));
    assert_eq!(desk.state.granted(), 60);
    desk.generate(&line(1));
    assert!(no_room(&desk.sized(&line(1), 60, 0)).is_some());
    desk.fails(&line(1), lost());
    // It fails at nobody's cost, and the next one is for them as well.
    assert_eq!(desk.fails(&model, lost()), [Effect::Load(model.clone())]);
    assert_eq!(desk.state.granted(), 60);
    assert_eq!(desk.sized(&model, 55, 0), [Effect::Start(model.clone())]);
    assert_eq!(submitted(&desk.ready(&model, 2, Tenure::default())), [ticket]);
}

#[test]
fn nor_while_its_spare_that_was_given_up_ends() {
    let (mut desk, model, ticket) = busy_beside_a_spare();
    // The spare goes for another model, and the worker is lost before it has gone.
    desk.generate(&line(1));
    assert_eq!(desk.sized(&line(1), 50, 0), [stop(2)]);
    desk.gone(1);
    assert_eq!(desk.state.granted(), 80, "nothing is free yet");
    let next = desk.gone(2);
    assert!(next.contains(&Effect::Load(model.clone())), "{next:?}");
    assert!(next.contains(&Effect::Start(line(1))), "{next:?}");
    assert_eq!(desk.state.granted(), 90);
    assert_eq!(desk.sized(&model, 40, 0), [Effect::Start(model.clone())]);
    assert_eq!(submitted(&desk.ready(&model, 3, Tenure::default())), [ticket]);
}

#[test]
fn but_not_once_nobody_waits_any_more() {
    let (mut desk, model, ticket) = busy_beside_a_spare();
    assert_eq!(desk.step(Event::SpareUnwanted(model)), [stop(2)]);
    desk.gone(1);
    assert_eq!(desk.state.granted(), 80);
    desk.step(Event::Cancelled { conn: CONN, target: request_of(ticket) });
    assert_eq!(desk.state.granted(), 40, "the spare ends yet");
    desk.generate(&line(1));
    assert_eq!(desk.sized(&line(1), 70, 0), []);
    assert_eq!(desk.gone(2), [Effect::Start(line(1))]);
}

#[test]
fn but_to_another_file_that_takes_its_place() {
    let (mut desk, model, _) = busy_beside_a_spare();
    let (_, new, _) = desk.swap(&model, 1);
    desk.generate(&line(1));
    assert_eq!(desk.sized(&line(1), 30, 0), [stop(2)]);
    desk.fails(&line(1), lost());
    desk.gone(1);
    assert_eq!(desk.state.granted(), 80);
    desk.sized(&new, 90, 0);
    assert_eq!(desk.state.granted(), 40, "only the spare is in its way");
    assert_eq!(desk.gone(2), [Effect::Start(new)]);
}

#[test]
fn it_is_free_again_once_the_next_worker_fails_or_nobody_needs_it() {
    let mut desk = Desk::new(100);
    let model = desk.serve(0, 60, Tenure::default());
    let (ticket, _) = desk.generate(&model);
    desk.gone(1);
    assert_eq!(codes(&desk.fails(&model, lost())), [(ticket, Code::WorkerLost)]);
    assert_eq!(desk.state.granted(), 0);
    // A worker that is lost with what nobody waits for any more leaves nothing behind.
    let model = desk.serve(0, 60, Tenure::default());
    let (ticket, _) = desk.generate(&model);
    desk.step(Event::Cancelled { conn: CONN, target: request_of(ticket) });
    assert_eq!(desk.gone(1), []);
    assert_eq!(desk.state.granted(), 0);
    // Nor to what was begun as its spare.
    let model = desk.serve(0, 60, Tenure::default());
    let (ticket, _) = desk.generate(&model);
    desk.step(Event::SpareWanted(model.clone()));
    desk.step(Event::Cancelled { conn: CONN, target: request_of(ticket) });
    assert_eq!(desk.gone(1), []);
    assert_eq!(desk.state.granted(), 0);
}
