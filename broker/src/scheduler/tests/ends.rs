//! How requests end, and what becomes of their slots.

use core_wire::{
    client::{FinishReason, Priority},
    code::{Code, Refusal},
};

use super::{
    small::{CONN, WORKER, arrival, codes, generate, ready, state, submitted},
    world::{line, request},
};
use crate::scheduler::{Arrival, Deadline, Effect, End, Event, Loss, Task, Ticket, step};

#[test]
fn a_cancelled_job_keeps_its_slot_until_the_worker_lets_go() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    generate(&mut state, 2, Priority::Normal);
    let effects = ready(&mut state, 1);
    let Some(&Effect::Submit { job, .. }) = effects.first() else {
        panic!("{effects:?}");
    };
    let target = request(1).into();
    let effects = step(&mut state, Event::Cancelled { conn: CONN, target });
    let end = End::Generated(FinishReason::Cancelled);
    let finish = Effect::Finish { ticket: Ticket(1), end: end.clone() };
    assert_eq!(effects, [finish, Effect::CancelJob { worker: WORKER, job }]);
    assert_eq!(submitted(&step(&mut state, Event::JobEnded { job, end })), [2]);
}

#[test]
fn a_deadline_ends_what_waits_and_what_runs() {
    let mut state = state();
    for number in 1..=2 {
        let deadline = Some(Deadline { at_ms: 100, after_ms: 100 });
        let arrival = Arrival { deadline, ..arrival(number, Priority::Normal) };
        step(&mut state, Event::Arrived(arrival));
    }
    ready(&mut state, 1);
    assert_eq!(state.next_deadline_ms(), Some(100));
    assert_eq!(codes(&step(&mut state, Event::Tick { now_ms: 99 })), []);
    let effects = step(&mut state, Event::Tick { now_ms: 100 });
    assert_eq!(codes(&effects), [(1, Code::Deadline), (2, Code::Deadline)]);
    assert_eq!(state.next_deadline_ms(), None);
}

#[test]
fn what_cannot_go_on_ends_with_its_worker_and_what_waits_gets_another() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    generate(&mut state, 2, Priority::Normal);
    ready(&mut state, 1);
    let refusal = Refusal::new(Code::WorkerLost, "killed");
    let effects = step(&mut state, Event::Gone { worker: WORKER, refusal, loss: Loss::Final });
    assert_eq!(codes(&effects), [(1, Code::WorkerLost)]);
    assert!(effects.contains(&Effect::Load(line(0))));
}

#[test]
fn a_failed_load_answers_all_who_wait_for_it_and_nobody_else() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    let other = Arrival { task: Task::Generate(line(1)), ..arrival(2, Priority::Normal) };
    step(&mut state, Event::Arrived(other));
    let refusal = Refusal::new(Code::ModelLoad, "no model");
    let effects = step(&mut state, Event::LoadFailed { line: line(0), refusal });
    assert_eq!(codes(&effects), [(1, Code::ModelLoad)]);
    let effects = generate(&mut state, 3, Priority::Normal);
    assert!(effects.contains(&Effect::Load(line(0))), "a later request tries again");
}

#[test]
fn a_closed_session_leaves_nothing_behind() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    generate(&mut state, 2, Priority::Normal);
    ready(&mut state, 1);
    let effects = step(&mut state, Event::Closed(CONN));
    let unheard =
        effects.iter().filter(|effect| matches!(effect, Effect::Finish { end: End::Unheard, .. }));
    assert_eq!(unheard.count(), 2);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::CancelJob { .. })));
    assert_eq!((state.sessions.len(), state.waiting()), (0, 0));
}

#[test]
fn unload_waits_for_what_runs_and_a_later_request_loads_again() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    let effects = ready(&mut state, 1);
    let Some(&Effect::Submit { job, .. }) = effects.first() else {
        panic!("{effects:?}");
    };
    let unload = Arrival { task: Task::Unload(line(0)), ..arrival(2, Priority::Normal) };
    let told = step(&mut state, Event::Arrived(unload));
    assert_eq!(told, [Effect::Draining(line(0))], "it takes nothing new");
    generate(&mut state, 3, Priority::Normal);
    let end = End::Generated(FinishReason::Stop);
    let effects = step(&mut state, Event::JobEnded { job, end });
    assert!(effects.contains(&Effect::Stop(WORKER)), "{effects:?}");
    let refusal = Refusal::new(Code::WorkerLost, "stopped");
    let effects = step(&mut state, Event::Gone { worker: WORKER, refusal, loss: Loss::Final });
    assert!(effects.contains(&Effect::Finish { ticket: Ticket(2), end: End::Placed }));
    assert!(effects.contains(&Effect::Load(line(0))));
}

#[test]
fn draining_refuses_work_finishes_what_was_taken_and_then_says_so() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    let effects = ready(&mut state, 1);
    let Some(&Effect::Submit { job, .. }) = effects.first() else {
        panic!("{effects:?}");
    };
    let drain = Arrival { task: Task::Drain, ..arrival(2, Priority::Normal) };
    assert_eq!(step(&mut state, Event::Arrived(drain)), []);
    assert_eq!(codes(&generate(&mut state, 3, Priority::Normal)), [(3, Code::Draining)]);
    let end = End::Generated(FinishReason::Stop);
    let effects = step(&mut state, Event::JobEnded { job, end });
    assert!(effects.contains(&Effect::Finish { ticket: Ticket(2), end: End::Drained }));
    assert_eq!(effects.last(), Some(&Effect::Drained));
}

#[test]
fn a_cut_cancels_what_runs_and_refuses_what_waits() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    generate(&mut state, 2, Priority::Normal);
    ready(&mut state, 1);
    step(&mut state, Event::Drain);
    let effects = step(&mut state, Event::Cut);
    let end = End::Generated(FinishReason::Cancelled);
    assert!(effects.contains(&Effect::Finish { ticket: Ticket(1), end }));
    assert_eq!(codes(&effects), [(2, Code::Draining)]);
    assert_eq!(effects.last(), Some(&Effect::Drained));
}

#[test]
fn a_dismissed_worker_ends_only_when_nobody_uses_it() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    let dismissed = || Event::Dismissed(line(0));
    assert_eq!(step(&mut state, dismissed()), [], "somebody waits for it");
    let effects = ready(&mut state, 1);
    let Some(&Effect::Submit { job, .. }) = effects.first() else {
        panic!("{effects:?}");
    };
    assert_eq!(step(&mut state, dismissed()), [], "somebody uses it");
    let end = End::Generated(FinishReason::Stop);
    step(&mut state, Event::JobEnded { job, end });
    assert_eq!(step(&mut state, dismissed()), [Effect::Stop(WORKER)]);
    assert_eq!(step(&mut state, dismissed()), [], "it ends already");
    assert!(
        submitted(&generate(&mut state, 2, Priority::Normal)).is_empty(),
        "not to one that ends"
    );
}
