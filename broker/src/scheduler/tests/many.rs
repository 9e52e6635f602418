//! A hundred thousand requests at once.

use std::time::{Duration, Instant};

use core_wire::{
    client::{FinishReason, Priority},
    ids::{JobId, RequestId},
};

use super::world::line;
use crate::{
    ipc::ConnId,
    scheduler::{
        Arrival, Bound, Cost, Effect, End, Entry, Event, Limits, State, Task, Tenure, Ticket,
        WorkerId, step,
    },
};

const REQUESTS: u64 = 100_000;

/// For some 400,000 operations. They take less than a second and a half on two busy cores; one pass
/// over the queue for each would be 10^10 steps and more, which is minutes.
const WITHIN: Duration = Duration::from_secs(15);

fn arrival(number: u64) -> Arrival {
    let small = u32::try_from(number).unwrap();
    let classes = [Priority::Interactive, Priority::Normal, Priority::Batch];
    Arrival {
        ticket: Ticket(number),
        conn: ConnId(number % 10),
        id: RequestId::try_from(number.to_string()).unwrap(),
        entry: Entry::Opens,
        task: Task::Generate(line(0)),
        class: classes[usize::try_from(number % 3).unwrap()],
        cost: Cost { prompt: small % 97, max_tokens: 1 + small % 31 },
        bound: Bound::Model,
        deadline: None,
    }
}

fn full(limits: Limits) -> State {
    let mut state = State::new(limits);
    for conn in 0..10 {
        step(&mut state, Event::Opened(ConnId(conn)));
    }
    state
}

fn submitted(effects: &[Effect]) -> impl Iterator<Item = JobId> {
    effects.iter().filter_map(|effect| match effect {
        Effect::Submit { job, .. } => Some(*job),
        _ => None,
    })
}

#[test]
fn each_costs_no_more_than_a_few_comparisons() {
    let began = Instant::now();
    let max = usize::try_from(REQUESTS).unwrap();
    let limits = Limits::waiting(max, max);
    let mut state = full(limits);
    for number in 0..REQUESTS {
        let told = step(&mut state, Event::Arrived(arrival(number)));
        assert!(told.iter().any(|effect| matches!(effect, Effect::Queued { .. })));
    }
    assert_eq!(state.waiting() as u64, REQUESTS);
    // From the middle of the queue, where a scan is dearest.
    for number in (REQUESTS / 4..REQUESTS * 3 / 4).filter(|number| number % 2 == 0) {
        let target = number.to_string();
        let conn = ConnId(number % 10);
        step(&mut state, Event::Cancelled { conn, target });
    }
    let (line, worker) = (line(0), WorkerId(1));
    let effects = step(
        &mut state,
        Event::Ready { line, worker, slots: 4, cells: 1 << 20, tenure: Tenure::default() },
    );
    let mut running: Vec<_> = submitted(&effects).collect();
    let (mut served, mut now_ms) = (0, 0);
    while let Some(job) = running.pop() {
        let end = End::Generated(FinishReason::Stop);
        running.extend(submitted(&step(&mut state, Event::JobEnded { job, end })));
        served += 1;
        now_ms += 5;
        if state.next_deadline_ms().is_some_and(|due_ms| due_ms <= now_ms) {
            step(&mut state, Event::Tick { now_ms });
        }
    }
    assert_eq!(served, REQUESTS * 3 / 4);
    assert_eq!(state.waiting(), 0);
    assert!(began.elapsed() < WITHIN, "{:?}", began.elapsed());
}

#[test]
fn ten_thousand_at_once_are_each_told_at_once() {
    let mut state = full(Limits::waiting(4_096, 1_024));
    let (mut queued, mut refused) = (0, 0);
    let began = Instant::now();
    for number in 0..10_000 {
        let effects = step(&mut state, Event::Arrived(arrival(number)));
        let mine = effects.iter().find(|effect| {
            matches!(effect, Effect::Queued { ticket, .. } | Effect::Finish { ticket, .. }
                if ticket.0 == number)
        });
        match mine {
            Some(Effect::Queued { .. }) => queued += 1,
            Some(Effect::Finish { end: End::Refused(refusal), .. }) => {
                assert!(refusal.retry_after_ms.is_some());
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    let each = began.elapsed() / 10_000;
    assert_eq!((queued, refused), (4_096, 10_000 - 4_096));
    assert!(each < Duration::from_millis(1), "{each:?} each");
}
