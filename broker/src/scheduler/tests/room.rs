//! Memory: who gets it, who goes for it, and who is told that there is none.

use core_wire::code::Code;

use super::{
    desk::{Desk, no_room, stop},
    small::{CONN, jobs, request_of, stop as end, submitted},
    world::{line, lost},
};
use crate::{
    config::Keep,
    scheduler::{Effect, Event, LineId, Part, Task, Tenure},
};

fn kept(keep: Keep) -> Tenure {
    Tenure { keep, ..Tenure::default() }
}

#[test]
fn what_is_more_than_the_whole_budget_is_refused_for_good() {
    let mut desk = Desk::new(50 << 20);
    desk.generate(&line(0));
    let refused = desk.sized(&line(0), 51 << 20, 0);
    let refusal = no_room(&refused).expect("refused");
    assert_eq!((refusal.code, refusal.retry_after_ms), (Code::Memory, None));
    assert!(refusal.message.contains("51 MiB") && refusal.message.contains("50"), "{refusal:?}");
    assert_eq!(desk.state.granted(), 0);
}

#[test]
fn the_least_recently_used_model_goes_and_the_new_one_starts_once_it_has_gone() {
    let mut desk = Desk::new(100);
    let first = desk.serve(0, 40, Tenure::default());
    desk.wait(1);
    desk.serve(1, 40, Tenure::default());
    desk.wait(1);
    let (_, given) = desk.generate(&first);
    desk.wait(1);
    end(&mut desk.state, jobs(&given)[0]);
    desk.generate(&line(2));
    assert_eq!(desk.sized(&line(2), 50, 0), [stop(2)], "the other one was used later");
    assert_eq!(desk.wait(1), []);
    assert_eq!(desk.gone(2), [Effect::Start(line(2))]);
    assert_eq!(desk.state.granted(), 90);
}

#[test]
fn throwaway_workers_go_first_then_by_class_and_pinned_ones_never() {
    let mut desk = Desk::new(100);
    desk.serve(0, 25, kept(Keep::High));
    desk.serve(1, 25, kept(Keep::Pinned));
    desk.serve(2, 25, kept(Keep::Low));
    let vocabulary = LineId { part: Part::Vocabulary, ..line(3) };
    let (_, asked) = desk.ask(Task::Brief(vocabulary.clone()));
    assert_eq!(asked, [Effect::Load(vocabulary.clone())]);
    desk.sized(&vocabulary, 25, 0);
    let given = desk.ready(&vocabulary, 9, Tenure::default());
    end(&mut desk.state, jobs(&given)[0]);
    desk.generate(&line(4));
    assert_eq!(desk.sized(&line(4), 75, 0), [stop(9), stop(3), stop(1)]);
    desk.gone(9);
    desk.gone(3);
    assert_eq!(desk.gone(1), [Effect::Start(line(4))]);
}

#[test]
fn nobody_goes_where_that_would_not_do_and_a_busy_model_never_does() {
    let mut desk = Desk::new(100 << 20);
    let busy = desk.serve(0, 40 << 20, Tenure::default());
    desk.generate(&busy);
    desk.serve(1, 40 << 20, Tenure::default());
    desk.generate(&line(2));
    let refused = desk.sized(&line(2), 61 << 20, 0);
    let refusal = no_room(&refused).expect("refused");
    assert_eq!(refused.len(), 1, "nobody is stopped: {refused:?}");
    assert!(refusal.retry_after_ms.is_some());
    let message = &refusal.message;
    assert!(["61 MiB", "100 MiB", "80"].iter().all(|part| message.contains(part)), "{message}");
}

#[test]
fn whoever_was_evicted_comes_back_after_the_one_that_came_for_it() {
    let mut desk = Desk::new(50);
    let first = desk.serve(0, 40, Tenure::default());
    desk.generate(&line(1));
    assert_eq!(desk.sized(&line(1), 40, 0), [stop(1)]);
    let (again, waits) = desk.generate(&first);
    assert!(submitted(&waits).is_empty(), "it ends: {waits:?}");
    let gone = desk.gone(1);
    assert!(gone.contains(&Effect::Start(line(1))), "{gone:?}");
    assert!(gone.contains(&Effect::Load(first.clone())), "{gone:?}");
    let given = desk.ready(&line(1), 2, Tenure::default());
    assert_eq!(submitted(&given).len(), 1, "it serves at least who waited for it");
    end(&mut desk.state, jobs(&given)[0]);
    assert_eq!(desk.sized(&first, 40, 0), [stop(2)], "and then it is the other one's turn");
    assert_eq!(desk.gone(2), [Effect::Start(first.clone())]);
    assert_eq!(submitted(&desk.ready(&first, 3, Tenure::default())), [again]);
}

#[test]
fn wishes_are_served_in_the_order_in_which_they_came() {
    let mut desk = Desk::new(100);
    desk.serve(0, 80, Tenure::default());
    desk.generate(&line(1));
    desk.generate(&line(2));
    assert_eq!(desk.sized(&line(1), 90, 0), [stop(1)]);
    assert_eq!(desk.sized(&line(2), 10, 0), [], "it would fit, but the first one waits for that");
    assert_eq!(desk.gone(1), [Effect::Start(line(1)), Effect::Start(line(2))]);
}

#[test]
fn nobody_goes_for_a_load_that_nobody_waits_for_any_more() {
    let mut desk = Desk::new(100);
    desk.serve(0, 80, Tenure::default());
    let (ticket, _) = desk.generate(&line(1));
    desk.step(Event::Cancelled { conn: CONN, target: request_of(ticket) });
    let refused = desk.sized(&line(1), 80, 0);
    assert!(no_room(&refused).is_some() && refused.len() == 1, "{refused:?}");
}

#[test]
fn a_spare_that_is_dropped_before_it_has_a_process_is_known_until_its_load_is_over() {
    let mut desk = Desk::new(100);
    let model = desk.serve(0, 40, Tenure::default());
    desk.step(Event::SpareWanted(model.clone()));
    assert_eq!(desk.sized(&model, 40, 0), [Effect::Start(model.clone())]);
    assert!(!desk.state.drops_spare(&model));
    desk.generate(&line(1));
    let dropped = desk.sized(&line(1), 60, 0);
    assert_eq!(dropped, [Effect::DropSpare(model.clone())], "there is nothing to kill yet");
    assert!(desk.state.drops_spare(&model), "so it must not be launched");
    assert_eq!(desk.fails(&model, lost()), [Effect::Start(line(1))], "that is waited for");
    assert!(!desk.state.drops_spare(&model));
}
