//! Who is served next, as a pure state machine (decision D2).
//!
//! [`step`] takes one [`Event`], changes the [`State`] and answers the [`Effect`]s that the run
//! loop has to perform. Nothing here reads a clock, a descriptor or a prompt: time comes in events
//! as milliseconds, and a request is a [`Ticket`] with just what decides its place. So every
//! interleaving of clients, workers and timers can be tried by a property test.
//!
//! What holds after every step, whatever the order of events:
//! 1. each arrival gets exactly one [`Effect::Finish`], and nothing after it;
//! 2. a worker never runs more requests than it has slots;
//! 3. a line has at most one worker that serves and one spare, which is given nothing before it
//!    serves; a load is asked for only where there is none;
//! 4. while a request waits for a line, a worker for it serves, loads, or ends to be replaced;
//! 5. workers together are never granted more than the budget, and none that somebody runs in or
//!    waits for has to go for another model.

mod admit;
mod adopt;
mod arrival;
mod batch;
mod cells;
mod effect;
mod end;
mod event;
mod fair;
mod hearing;
mod killed;
mod limits;
mod memory;
mod news;
mod park;
mod priority;
mod queue;
mod ranks;
mod recover;
mod seat;
mod settle;
mod spare;
mod swap;
mod tenure;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use core_wire::{
    client::Priority,
    ids::{JobId, ModelId, RequestId},
};

pub(crate) use self::{
    admit::{duplicate, swapping},
    arrival::{Arrival, Bound, Cost, Deadline, Entry, Task},
    effect::{Effect, End},
    event::{Event, Loss, Tenure},
    killed::KILLED_LOADS_MAX,
    limits::Limits,
};
use self::{
    batch::{BRIEFS_MAX, Crew, TEXTS_MAX},
    fair::Place,
    memory::Ledger,
    queue::Line,
    recover::Deaths,
    seat::Seat,
    swap::Swap,
};
use crate::ipc::ConnId;

/// A request, accepted or not; never used twice in a broker's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ticket(pub(crate) u64);

/// A worker process; never used twice in a broker's life, unlike a process id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct WorkerId(pub(crate) u64);

/// What a worker is for: a model, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LineId {
    /// The model.
    pub(crate) model: ModelId,
    /// How much of it.
    pub(crate) part: Part,
    /// Which of its files, in the order in which they were swapped in: what was accepted for one
    /// ends on that one.
    pub(crate) edition: Edition,
}

/// A file of a model: the first one, or one that was swapped in later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Edition(pub(crate) u32);

#[cfg(test)]
impl LineId {
    /// The line of a model's own worker.
    pub(crate) fn whole(model: ModelId, edition: Edition) -> Self {
        Self { model, part: Part::Whole, edition }
    }
}

/// How much of a model a worker loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Part {
    /// All of it: the worker generates.
    Whole,
    /// Its vocabulary alone: a throwaway worker for brief tasks, which takes no others.
    Vocabulary,
    /// Its vocabulary in a worker that compiles grammars, one at a time: when it dies it is clear
    /// of what, and nobody's text was in it.
    Grammar,
}

impl Part {
    /// Brief jobs that a worker of this part holds at once.
    fn briefs_max(self) -> usize {
        match self {
            Self::Whole | Self::Vocabulary => BRIEFS_MAX,
            Self::Grammar => 1,
        }
    }

    /// Embeddings that one holds at once: they need the weights.
    fn texts_max(self) -> usize {
        match self {
            Self::Whole => TEXTS_MAX,
            Self::Vocabulary | Self::Grammar => 0,
        }
    }
}

/// Everything the scheduler knows.
#[derive(Debug)]
pub(crate) struct State {
    limits: Limits,
    requests: BTreeMap<Ticket, Request>,
    sessions: BTreeMap<ConnId, Session>,
    lines: BTreeMap<LineId, Line>,
    jobs: BTreeMap<JobId, Seat>,
    memory: Ledger,
    /// Models whose file is being swapped.
    swaps: BTreeMap<ModelId, Swap>,
    /// When workers with nothing to do have stayed for as long as they may.
    expiries: BTreeSet<(u64, LineId)>,
    deadlines: BTreeSet<(u64, Ticket)>,
    drains: BTreeSet<Ticket>,
    waiting: usize,
    next_job: u64,
    drain: Drain,
    /// The time, as it was told last.
    now_ms: u64,
    /// Lines in which somebody is to be told by a sweep where they stand.
    sweeps: BTreeSet<LineId>,
    /// The line that was swept last.
    swept: Option<LineId>,
    /// When the next sweep is; `None` while there is nothing to tell.
    sweep_at_ms: Option<u64>,
}

/// A request that has not ended.
#[derive(Debug)]
struct Request {
    conn: ConnId,
    id: RequestId,
    task: Task,
    class: Priority,
    bound: Bound,
    deadline: Option<Deadline>,
    /// The job it runs as; `None` while it waits.
    job: Option<JobId>,
    /// The position that its client was told last.
    told: Option<u32>,
    /// What it takes; its prompt is corrected once it is known.
    cost: Cost,
    /// What its session was charged for it.
    charged: u64,
    /// Where it waits, or waited: one that is parked waits there again.
    place: Option<Place>,
    /// Tokens that it has got.
    emitted: u32,
    /// Whether a worker has had it.
    was_given: bool,
    /// Its next job is not asked to leave before it has got so many tokens.
    stays_until: u32,
    /// How often in a row it was given up without a token in between.
    in_vain: u32,
    /// How often it was given up for lack of cells without a token in between, and how many tokens
    /// it had then.
    fruitless: (u32, u32),
    /// Workers that died while they ran it, since its last token.
    deaths: Deaths,
}

/// The open requests of one session; several completions of one prompt share a name.
#[derive(Debug, Default)]
struct Session {
    open: BTreeMap<RequestId, Vec<Ticket>>,
    waiting: usize,
}

/// Whether new work is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drain {
    /// It is.
    Open,
    /// It is not, and something accepted has not ended.
    Draining,
    /// It is not, and everything has ended.
    Drained,
}

/// Takes one event and answers what has to be done, in order.
pub(crate) fn step(state: &mut State, event: Event) -> Vec<Effect> {
    let mut out = Vec::new();
    match event {
        Event::Opened(conn) => drop(state.sessions.entry(conn).or_default()),
        Event::Arrived(arrival) => state.arrive(arrival, &mut out),
        Event::Cancelled { conn, target } => state.cancel(conn, target, &mut out),
        Event::Abandoned { ticket, refusal } => {
            state.end(ticket, End::Refused(refusal), &mut out);
        }
        Event::Closed(conn) => state.close(conn, &mut out),
        Event::Moved { ticket, conn, id } => state.moved(ticket, conn, id),
        Event::Ready { line, worker, slots, cells, tenure } => {
            state.ready(&line, Crew::new(worker, slots, cells, line.part), tenure, &mut out);
        }
        Event::Sized { line, bytes, vocabulary } => state.sized(line, bytes, vocabulary),
        Event::LoadFailed { line, refusal } => state.load_failed(&line, &refusal, &mut out),
        Event::LoadKilled { line, refusal } => state.load_killed(&line, &refusal, &mut out),
        Event::Wanted(line) => state.wanted(&line, &mut out),
        Event::Dismissed(line) => state.dismissed(&line, &mut out),
        Event::SpareWanted(line) => state.want_spare(&line, &mut out),
        Event::SpareUnwanted(line) => state.drop_spare(&line, &mut out),
        Event::Started { job, prompt } => state.started(job, prompt, &mut out),
        Event::Grown { job, emitted } => state.grown(job, emitted, &mut out),
        Event::Parked { job } => state.parked(job, &mut out),
        Event::JobEnded { job, end } => state.job_ended(job, end, &mut out),
        Event::Dying(worker) => state.dying(worker),
        Event::Gone { worker, refusal, loss } => state.gone(worker, (&refusal, loss), &mut out),
        Event::Tick { now_ms } => state.tick(now_ms, &mut out),
        Event::Drain => state.begin_drain(),
        Event::Cut => state.cut(&mut out),
    }
    state.place_workers(&mut out);
    state.settle_drain(&mut out);
    out
}
