//! Who is admitted, and who is served next.

use core_wire::{
    client::{FinishReason, Priority},
    code::{Code, Refusal},
    ids::JobId,
};

use super::{
    small::{CONN, WORKER, arrival, codes, generate, ready, state, submitted},
    world::{line, request},
};
use crate::{
    ipc::ConnId,
    scheduler::{Arrival, Effect, End, Entry, Event, LineId, Part, Task, Tenure, Ticket, step},
};

#[test]
fn classes_are_served_in_order_and_each_as_it_came() {
    let mut state = state();
    generate(&mut state, 1, Priority::Batch);
    generate(&mut state, 2, Priority::Normal);
    generate(&mut state, 3, Priority::Interactive);
    assert_eq!(submitted(&ready(&mut state, 1)), [3]);
    generate(&mut state, 4, Priority::Normal);
    let mut order = Vec::new();
    for job in 1..=4 {
        let end = End::Generated(FinishReason::Stop);
        let job = JobId(job);
        order.extend(submitted(&step(&mut state, Event::JobEnded { job, end })));
    }
    assert_eq!(order, [2, 4, 1]);
}

#[test]
fn positions_are_told_when_they_change_and_only_then() {
    let mut state = state();
    let first = generate(&mut state, 1, Priority::Normal);
    assert!(first.contains(&Effect::Queued { ticket: Ticket(1), position: 0, wait_ms: None }));
    assert!(first.contains(&Effect::Load(line(0))));
    let second = generate(&mut state, 2, Priority::Normal);
    assert_eq!(second, [Effect::Queued { ticket: Ticket(2), position: 1, wait_ms: None }]);
    let third = generate(&mut state, 3, Priority::Interactive);
    let position =
        |ticket, position| Effect::Queued { ticket: Ticket(ticket), position, wait_ms: None };
    assert_eq!(third, [position(3, 0), position(1, 1), position(2, 2)]);
}

#[test]
fn a_free_slot_is_taken_without_waiting() {
    let mut state = state();
    step(
        &mut state,
        Event::Arrived(Arrival { task: Task::Load(line(0)), ..arrival(9, Priority::Normal) }),
    );
    ready(&mut state, 2);
    let effects = generate(&mut state, 1, Priority::Batch);
    assert!(matches!(effects[..], [Effect::Submit { .. }]), "{effects:?}");
    assert_eq!(state.occupancy(WORKER), Some((1, 2)));
}

#[test]
fn limits_hold_for_a_session_and_for_all() {
    let mut state = state();
    for number in 1..=3 {
        assert_eq!(codes(&generate(&mut state, number, Priority::Normal)), []);
    }
    let over = generate(&mut state, 4, Priority::Normal);
    assert_eq!(codes(&over), [(4, Code::QueueFull)]);
    let Some(Effect::Finish { end: End::Refused(refusal), .. }) = over.first() else {
        panic!("{over:?}");
    };
    assert!(refusal.retry_after_ms.is_some());
    assert!(refusal.message.contains('3'), "names the limit: {}", refusal.message);
    let other = ConnId(2);
    step(&mut state, Event::Opened(other));
    let mut from_other = |number| {
        let arrival = Arrival { conn: other, ..arrival(number, Priority::Normal) };
        codes(&step(&mut state, Event::Arrived(arrival)))
    };
    assert_eq!(from_other(5), []);
    assert_eq!(from_other(6), [(6, Code::QueueFull)]);
}

#[test]
fn a_duplicate_is_refused_and_the_first_goes_on() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    let again = Arrival { ticket: Ticket(50), ..arrival(1, Priority::Normal) };
    let effects = step(&mut state, Event::Arrived(again));
    assert_eq!(codes(&effects), [(50, Code::DuplicateRequest)]);
    assert_eq!(submitted(&ready(&mut state, 1)), [1]);
}

#[test]
fn completions_of_one_request_share_its_name_and_its_end() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    let second =
        Arrival { ticket: Ticket(50), entry: Entry::Joins, ..arrival(1, Priority::Normal) };
    step(&mut state, Event::Drain);
    assert_eq!(codes(&step(&mut state, Event::Arrived(second))), [], "it was accepted before");
    ready(&mut state, 1);
    let target = String::from(request(1));
    let ended = step(&mut state, Event::Cancelled { conn: CONN, target });
    let finished = |effect: &&Effect| matches!(effect, Effect::Finish { .. });
    assert_eq!(ended.iter().filter(finished).count(), 2, "{ended:?}");
    assert!(!state.is_open(CONN, &request(1)), "the name is free again");
}

#[test]
fn a_grammar_worker_has_one_grammar_at_a_time() {
    let mut state = state();
    let grammars = LineId { part: Part::Grammar, ..line(0) };
    let brief = |number| Arrival {
        task: Task::Brief(grammars.clone()),
        ..arrival(number, Priority::Normal)
    };
    step(&mut state, Event::Arrived(brief(1)));
    step(&mut state, Event::Arrived(brief(2)));
    let first = step(
        &mut state,
        Event::Ready {
            line: grammars,
            worker: WORKER,
            slots: 1,
            cells: 0,
            tenure: Tenure::default(),
        },
    );
    assert_eq!(submitted(&first), [1]);
    let refusal = Refusal::new(Code::BadGrammar, "it died");
    let died = Event::Gone { worker: WORKER, refusal, loss: crate::scheduler::Loss::Final };
    let effects = step(&mut state, died);
    assert_eq!(codes(&effects), [(1, Code::BadGrammar)], "the other one gets another worker");
    assert!(matches!(effects.last(), Some(Effect::Load(_))), "{effects:?}");
}
