//! A spare takes its worker's place, and its line's end is its own.

use core_wire::client::Priority;

use super::{
    small::{WORKER, generate, ready, state, submitted},
    world::{line, lost},
};
use crate::scheduler::{
    Arrival, Effect, End, Event, Loss, State, Task, Ticket, WorkerId, step, tests::small::arrival,
};

const SPARE: WorkerId = WorkerId(8);

/// A line that serves request 1, with a spare that is ready.
fn with_spare() -> State {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    ready(&mut state, 2);
    let asked = step(&mut state, Event::SpareWanted(line(0)));
    assert_eq!(asked, [Effect::LoadSpare(line(0))]);
    assert_eq!(step(&mut state, Event::SpareWanted(line(0))), [], "one at most");
    assert!(state.loads_spare(&line(0)));
    let event = Event::Ready { line: line(0), worker: SPARE, slots: 2, cells: 512 };
    assert_eq!(step(&mut state, event), []);
    state
}

fn gone(state: &mut State, worker: WorkerId) -> Vec<Effect> {
    step(state, Event::Dying(worker));
    step(state, Event::Gone { worker, refusal: lost(), loss: Loss::Innocent })
}

fn unload(state: &mut State, number: u8) -> Vec<Effect> {
    let arrival = Arrival { task: Task::Unload(line(0)), ..arrival(number, Priority::Normal) };
    step(state, Event::Arrived(arrival))
}

#[test]
fn it_serves_at_once_and_another_is_asked_for_after_that() {
    let mut state = with_spare();
    let effects = gone(&mut state, WORKER);
    assert_eq!(submitted(&effects), [1]);
    let promoted = Effect::Promote { line: line(0), worker: SPARE };
    assert_eq!(effects.first(), Some(&promoted));
    assert_eq!(effects.last(), Some(&Effect::LoadSpare(line(0))));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Load(_))));
    assert_eq!(state.occupancy(SPARE), Some((1, 2)));
}

#[test]
fn its_own_end_harms_nobody_and_a_dying_one_is_not_promoted() {
    let mut state = with_spare();
    assert_eq!(gone(&mut state, SPARE), []);
    assert_eq!(step(&mut state, Event::SpareWanted(line(0))), [Effect::LoadSpare(line(0))]);
    let mut state = with_spare();
    step(&mut state, Event::Dying(SPARE));
    let effects = gone(&mut state, WORKER);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Promote { .. })), "{effects:?}");
    let effects = gone(&mut state, SPARE);
    assert_eq!(effects, [Effect::Load(line(0))], "what waits gets a worker all the same");
}

#[test]
fn a_spare_that_is_loading_becomes_the_next_worker() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    ready(&mut state, 2);
    step(&mut state, Event::SpareWanted(line(0)));
    let effects = gone(&mut state, WORKER);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Load(_))), "it loads already");
    assert!(state.began_as_spare(&line(0)) && !state.loads_spare(&line(0)));
    let event = Event::Ready { line: line(0), worker: SPARE, slots: 2, cells: 512 };
    assert_eq!(submitted(&step(&mut state, event)), [1]);
}

#[test]
fn a_spare_that_fails_costs_nobody_a_request() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    ready(&mut state, 2);
    step(&mut state, Event::SpareWanted(line(0)));
    let failed = Event::LoadFailed { line: line(0), refusal: lost() };
    assert_eq!(step(&mut state, failed.clone()), []);
    step(&mut state, Event::SpareWanted(line(0)));
    gone(&mut state, WORKER);
    // Begun as a spare it failed, so it is tried as the worker that it was to become.
    assert_eq!(step(&mut state, failed.clone()), [Effect::Load(line(0))]);
    let effects = step(&mut state, failed);
    let ended = |effect: &Effect| {
        matches!(effect, Effect::Finish { ticket: Ticket(1), end: End::Refused(_) })
    };
    assert!(effects.iter().any(ended), "{effects:?}");
}

#[test]
fn it_ends_with_its_line() {
    let mut state = with_spare();
    let effects = unload(&mut state, 2);
    assert_eq!(effects.first(), Some(&Effect::Stop(SPARE)), "before its worker has finished");
    assert_eq!(gone(&mut state, SPARE), []);
    let effects = gone(&mut state, WORKER);
    assert!(effects.contains(&Effect::Finish { ticket: Ticket(2), end: End::Placed }));
}

#[test]
fn an_unload_is_done_when_its_spare_is_gone_as_well() {
    let mut state = with_spare();
    unload(&mut state, 2);
    let effects = gone(&mut state, WORKER);
    assert!(!effects.contains(&Effect::Finish { ticket: Ticket(2), end: End::Placed }));
}

#[test]
fn one_that_loads_is_dropped_with_its_line() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    ready(&mut state, 2);
    step(&mut state, Event::SpareWanted(line(0)));
    assert_eq!(unload(&mut state, 2).first(), Some(&Effect::DropSpare(line(0))));
    let event = Event::Ready { line: line(0), worker: SPARE, slots: 2, cells: 512 };
    assert_eq!(step(&mut state, event), [Effect::Stop(SPARE)]);
}
