//! What may happen in a history.

use crate::scheduler::{Bound, LineId, Task};

/// One thing that may happen; numbers pick among what there is.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Open(u8),
    Close(u8),
    Arrive(Asked),
    Cancel(u8, u8),
    Move(u8, u8, u8),
    Abandon(u8),
    LoadEnds(u8, u8),
    LoadFails(u8),
    LoadKilled(u8),
    JobEnds(u8),
    Started(u8, u8),
    Grown(u8, u8),
    Parked(u8),
    WorkerDies(u8),
    WorkerGone(u8, u8),
    Tick(u8),
    /// Seconds.
    Wait(u8),
    Dismiss(u8),
    WantSpare(u8),
    DropSpare(u8),
    Drain(u8),
    /// Session, request and model.
    Swap(u8, u8, u8),
    Wanted(u8),
}

/// A request, by small numbers.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) conn: u8,
    pub(super) id: u8,
    pub(super) task: u8,
    pub(super) model: u8,
    pub(super) class: u8,
    pub(super) cost: (u8, u8),
    pub(super) deadline: Option<u8>,
    pub(super) bound: u8,
}

/// Generations twice as often as the others.
pub(super) fn task_of(number: u8, line: LineId) -> Task {
    match number {
        0 | 1 => Task::Generate(line),
        2 => Task::Brief(line),
        3 => Task::Embed(line),
        4 => Task::Load(line),
        _ => Task::Unload(line),
    }
}

/// Mostly nothing in particular.
pub(super) fn bound_of(number: u8) -> Bound {
    match number {
        0 => Bound::Edition,
        1 => Bound::Vocabulary,
        _ => Bound::Model,
    }
}
