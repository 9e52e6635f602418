//! Embeddings: beside the slots, a few at once, and by their tokens.

use core_wire::{
    client::{FinishReason, Priority},
    ids::RequestId,
};

use super::{
    small::{NOBODY, WORKER, jobs, submitted},
    world::line,
};
use crate::{
    ipc::ConnId,
    scheduler::{
        Arrival, Bound, Cost, Effect, End, Entry, Event, Limits, State, Task, Tenure, Ticket,
        batch::{BRIEFS_MAX, TEXTS_MAX},
        step,
    },
};

fn ask(state: &mut State, (conn, number): (u64, u64), task: Task, tokens: u32) -> Vec<Effect> {
    let id = RequestId::try_from(number.to_string()).unwrap();
    step(
        state,
        Event::Arrived(Arrival {
            ticket: Ticket(number),
            conn: ConnId(conn),
            id,
            entry: Entry::Opens,
            task,
            class: Priority::Normal,
            cost: Cost { prompt: tokens, max_tokens: 0 },
            bound: Bound::Model,
            deadline: None,
        }),
    )
}

fn embed(state: &mut State, who: (u64, u64), tokens: u32) -> Vec<Effect> {
    ask(state, who, Task::Embed(line(0)), tokens)
}

/// Two sessions and a worker that serves.
fn serving() -> State {
    let mut state = State::new(Limits::waiting(100, 100));
    step(&mut state, Event::Opened(ConnId(1)));
    step(&mut state, Event::Opened(ConnId(2)));
    ask(&mut state, (1, 999), Task::Load(line(0)), 0);
    step(
        &mut state,
        Event::Ready {
            line: line(0),
            worker: WORKER,
            slots: 1,
            cells: 512,
            tenure: Tenure::default(),
        },
    );
    state
}

#[test]
fn embeddings_wait_for_one_another_and_leave_the_other_seats_to_brief_jobs() {
    let mut state = serving();
    let most = TEXTS_MAX as u64;
    let mut given = Vec::new();
    for number in 1..=most + 2 {
        given.extend(embed(&mut state, (1, number), 8));
    }
    assert_eq!(submitted(&given), (1..=most).collect::<Vec<_>>());
    for number in 101..=100 + BRIEFS_MAX as u64 {
        let brief = ask(&mut state, (2, number), Task::Brief(line(0)), 0);
        assert_eq!(submitted(&brief), [number], "embeddings are not in its way");
    }
    let brief = ask(&mut state, (2, 200), Task::Brief(line(0)), 0);
    assert_eq!(submitted(&brief), NOBODY);
    assert_eq!(state.occupancy(WORKER), Some((0, 1)), "none of them takes a slot");
    let ended = Event::JobEnded { job: jobs(&given)[0], end: End::Answered };
    assert_eq!(submitted(&step(&mut state, ended)), [most + 1]);
}

#[test]
fn embeddings_are_shared_between_sessions_by_their_tokens() {
    let mut state = serving();
    let mut given = Vec::new();
    for number in 1..=10 {
        given.extend(embed(&mut state, (1, number), 1_000));
    }
    // Ten times shorter: all of them fit beside the next one of the other session.
    for number in 11..=15 {
        assert_eq!(submitted(&embed(&mut state, (2, number), 100)), NOBODY);
    }
    let mut order = Vec::new();
    let mut running = jobs(&given);
    for _ in 0..7 {
        let ended = Event::JobEnded { job: running.remove(0), end: End::Answered };
        let next = step(&mut state, ended);
        running.extend(jobs(&next));
        order.extend(submitted(&next));
    }
    assert_eq!(order, [11, 12, 13, 14, 15, 5, 6]);
}

#[test]
fn an_embedding_that_nobody_waits_for_is_cancelled_and_keeps_its_seat_until_it_has_ended() {
    let mut state = serving();
    let mut given = Vec::new();
    for number in 1..=TEXTS_MAX as u64 + 1 {
        given.extend(embed(&mut state, (1, number), 8));
    }
    let brief = jobs(&ask(&mut state, (1, 100), Task::Brief(line(0)), 0));
    let job = jobs(&given)[0];
    let cancel = |number: u64| Event::Cancelled { conn: ConnId(1), target: number.to_string() };
    let effects = step(&mut state, cancel(1));
    assert!(effects.contains(&Effect::CancelJob { worker: WORKER, job }), "{effects:?}");
    assert_eq!(submitted(&effects), NOBODY);
    let end = End::Generated(FinishReason::Cancelled);
    let effects = step(&mut state, Event::JobEnded { job, end });
    assert_eq!(submitted(&effects), [TEXTS_MAX as u64 + 1]);
    let effects = step(&mut state, cancel(100));
    let cancels = effects.iter().any(|effect| matches!(effect, Effect::CancelJob { .. }));
    assert!(!cancels && brief.len() == 1, "brief jobs just end: {effects:?}");
}

#[test]
fn who_needs_no_slot_is_told_no_place_among_those_who_do() {
    let mut state = State::new(Limits::waiting(100, 100));
    step(&mut state, Event::Opened(ConnId(1)));
    for (number, task, told) in [
        (1, Task::Generate(line(0)), true),
        (2, Task::Brief(line(0)), false),
        (3, Task::Embed(line(0)), false),
    ] {
        let effects = ask(&mut state, (1, number), task, 8);
        let queued = effects.iter().any(|effect| matches!(effect, Effect::Queued { .. }));
        assert_eq!(queued, told, "{effects:?}");
    }
}
