//! One session, one model, and short names for what tests do with them.

use core_wire::{
    client::{FinishReason, Priority},
    code::Code,
    ids::JobId,
};

use super::world::{line, request};
use crate::{
    ipc::ConnId,
    scheduler::{
        Arrival, Bound, Cost, Effect, End, Entry, Event, Limits, State, Task, Tenure, Ticket,
        WorkerId, step,
    },
};

pub(super) const CONN: ConnId = ConnId(1);
pub(super) const WORKER: WorkerId = WorkerId(7);

/// The tickets of nobody.
pub(super) const NOBODY: [u64; 0] = [];

pub(super) fn state() -> State {
    let mut state = State::new(Limits::waiting(4, 3));
    step(&mut state, Event::Opened(CONN));
    state
}

pub(super) fn arrival(number: u8, class: Priority) -> Arrival {
    Arrival {
        ticket: Ticket(number.into()),
        conn: CONN,
        id: request(number),
        entry: Entry::Opens,
        task: Task::Generate(line(0)),
        class,
        cost: Cost { prompt: 8, max_tokens: 1_000 },
        bound: Bound::Model,
        deadline: None,
    }
}

pub(super) fn generate(state: &mut State, number: u8, class: Priority) -> Vec<Effect> {
    step(state, Event::Arrived(arrival(number, class)))
}

pub(super) fn ready(state: &mut State, slots: usize) -> Vec<Effect> {
    step(
        state,
        Event::Ready {
            line: line(0),
            worker: WORKER,
            slots,
            cells: 4_096,
            tenure: Tenure::default(),
        },
    )
}

pub(super) fn submitted(effects: &[Effect]) -> Vec<u64> {
    let tickets = effects.iter().filter_map(|effect| match effect {
        Effect::Submit { ticket, .. } => Some(ticket.0),
        _ => None,
    });
    tickets.collect()
}

pub(super) fn jobs(effects: &[Effect]) -> Vec<JobId> {
    let jobs = effects.iter().filter_map(|effect| match effect {
        Effect::Submit { job, .. } => Some(*job),
        _ => None,
    });
    jobs.collect()
}

pub(super) fn parks(effects: &[Effect]) -> Vec<JobId> {
    let jobs = effects.iter().filter_map(|effect| match effect {
        Effect::Park { job, .. } => Some(*job),
        _ => None,
    });
    jobs.collect()
}

pub(super) fn stop(state: &mut State, job: JobId) -> Vec<Effect> {
    step(state, Event::JobEnded { job, end: End::Generated(FinishReason::Stop) })
}

pub(super) fn codes(effects: &[Effect]) -> Vec<(u64, Code)> {
    let ends = effects.iter().filter_map(|effect| match effect {
        Effect::Finish { ticket, end: End::Refused(refusal) } => Some((ticket.0, refusal.code)),
        _ => None,
    });
    ends.collect()
}

/// The name of a request, as its session gave it.
pub(super) fn request_of(ticket: u64) -> String {
    request(u8::try_from(ticket).expect("few")).into()
}
