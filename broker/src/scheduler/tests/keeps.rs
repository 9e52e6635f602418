//! How long workers stay, and who comes though nobody asks.

use super::{
    desk::{Desk, stop},
    small::{jobs, stop as end},
    world::{line, lost},
};
use crate::scheduler::{Effect, Event, Task, Tenure, WorkerId};

fn idle(idle_ms: u64) -> Tenure {
    Tenure { idle_ms: Some(idle_ms), ..Tenure::default() }
}

#[test]
fn a_worker_with_nothing_to_do_ends_when_its_time_is_over() {
    let mut desk = Desk::new(100);
    let model = desk.serve(0, 40, idle(50));
    assert_eq!(desk.state.next_deadline_ms(), Some(50));
    desk.wait(30);
    let (_, given) = desk.generate(&model);
    assert_eq!(desk.state.next_deadline_ms(), None, "nothing is armed while it has something");
    desk.wait(100);
    end(&mut desk.state, jobs(&given)[0]);
    assert_eq!(desk.state.next_deadline_ms(), Some(180));
    assert_eq!(desk.wait(49), []);
    assert_eq!(desk.wait(1), [stop(1)]);
    assert_eq!(desk.state.next_deadline_ms(), None);
    assert_eq!(desk.gone(1), []);
    assert_eq!(desk.state.granted(), 0);
}

#[test]
fn without_a_keep_alive_nothing_is_armed_and_with_none_to_keep_it_ends_at_once() {
    let mut desk = Desk::new(100);
    desk.serve(0, 40, Tenure::default());
    assert_eq!(desk.state.next_deadline_ms(), None);
    desk.serve(1, 40, idle(0));
    assert_eq!(desk.wait(0), [stop(2)]);
}

#[test]
fn whoever_is_wanted_is_loaded_once_though_nobody_asks() {
    let mut desk = Desk::new(100);
    let wanted = || Event::Wanted(line(0));
    assert_eq!(desk.step(wanted()), [Effect::Load(line(0))]);
    assert_eq!(desk.step(wanted()), []);
    assert_eq!(desk.sized(&line(0), 10, 0), [Effect::Start(line(0))]);
    desk.ready(&line(0), 1, Tenure::default());
    assert_eq!(desk.step(wanted()), []);
    desk.ask(Task::Unload(line(0)));
    let ended = desk.gone(1);
    assert!(!ended.contains(&Effect::Load(line(0))), "an unload is heard: {ended:?}");
}

#[test]
fn who_was_wanted_and_failed_is_not_tried_for_ever_and_never_during_a_drain() {
    let mut desk = Desk::new(100);
    desk.step(Event::Wanted(line(0)));
    assert_eq!(desk.fails(&line(0), lost()), []);
    desk.step(Event::Drain);
    assert_eq!(desk.step(Event::Wanted(line(0))), []);
}

#[test]
fn who_was_wanted_and_is_followed_by_a_spare_goes_as_any_other_for_those_who_wait() {
    let mut desk = Desk::new(100);
    let model = desk.serve(0, 30, Tenure::default());
    desk.step(Event::SpareWanted(model.clone()));
    desk.sized(&model, 30, 0);
    desk.ready(&model, 2, Tenure::default());
    desk.step(Event::Dying(WorkerId(1)));
    desk.step(Event::Wanted(model.clone()));
    desk.gone(1);
    desk.step(Event::SpareUnwanted(model.clone()));
    desk.fails(&model, lost());
    desk.generate(&line(1));
    assert_eq!(desk.sized(&line(1), 80, 0), [stop(2)]);
}
