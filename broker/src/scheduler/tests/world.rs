//! A world around the scheduler: sessions, loads, workers and jobs as the effects made them, which
//! checks each effect against what was promised.

use std::collections::{BTreeMap, BTreeSet};

use core_wire::{
    client::Priority,
    code::{Code, Refusal},
    ids::{JobId, ModelId, RequestId},
};

use super::{
    blame::{Deaths, Rescue},
    loads::Stage,
    ops::Op,
};
use crate::{
    config::Keep,
    ipc::ConnId,
    scheduler::{Bound, Edition, Event, Limits, LineId, Loss, State, Task, Ticket, WorkerId, step},
};

/// Bytes that all workers may be granted.
pub(super) const BUDGET: u64 = 100;

/// Cells of a worker: one request of the largest kind, or several of the others.
pub(super) const CELLS: u32 = 512;

/// What a job was seen doing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Runs,
    /// It was asked to leave.
    Leaves,
    Cancelled,
    Brief,
    /// It embeds, and can be cancelled.
    Text,
}

impl Mark {
    pub(super) fn takes_slot(self) -> bool {
        match self {
            Self::Runs | Self::Leaves | Self::Cancelled => true,
            Self::Brief | Self::Text => false,
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Job {
    pub(super) mark: Mark,
    pub(super) class: Priority,
    pub(super) cells: u32,
    pub(super) ticket: Ticket,
}

/// A request that has not ended.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) task: Task,
    pub(super) class: Priority,
    pub(super) prompt: u32,
    pub(super) max_tokens: u32,
    pub(super) emitted: u32,
    pub(super) job: Option<JobId>,
    pub(super) told: Option<u32>,
    pub(super) deaths: Deaths,
    pub(super) bound: Bound,
    /// The line that it was given to last.
    pub(super) home: Option<LineId>,
}

pub(super) struct Worker {
    pub(super) line: LineId,
    pub(super) keep: Keep,
    pub(super) slots: usize,
    pub(super) cells: u32,
    pub(super) jobs: BTreeMap<JobId, Job>,
    /// It gave a job up unasked, and nothing has left it since.
    pub(super) full: bool,
    pub(super) stopping: bool,
    /// It may be given nothing.
    pub(super) spare: bool,
    /// What it was ever given.
    pub(super) ran: BTreeSet<Ticket>,
}

pub(super) struct World {
    pub(super) state: State,
    pub(super) now_ms: u64,
    next: u64,
    pub(super) open: BTreeMap<Ticket, Open>,
    pub(super) ended: BTreeSet<Ticket>,
    pub(super) loading: BTreeMap<LineId, Stage>,
    /// Lines that load a spare, and whether it was dropped.
    pub(super) spares: BTreeMap<LineId, bool>,
    /// What spares were granted and have not given back.
    pub(super) spared: BTreeMap<LineId, u64>,
    /// What others were granted and not given back.
    pub(super) held: BTreeMap<LineId, u64>,
    pub(super) rescue: Rescue,
    /// Whose workers take nothing new because of an unload, even if its asker has gone.
    pub(super) draining: BTreeSet<LineId>,
    /// The file of each model, where it is not the first one.
    pub(super) current: BTreeMap<ModelId, Edition>,
    /// Vocabularies that the scheduler knew before the step.
    pub(super) vocabularies: BTreeMap<LineId, u64>,
    /// Lines that are to be swapped: the old and the new one.
    pub(super) swaps: BTreeMap<ModelId, (LineId, LineId)>,
    pub(super) workers: BTreeMap<WorkerId, Worker>,
    pub(super) drained: bool,
}

pub(super) fn line(number: u8) -> LineId {
    LineId::whole(ModelId::try_from(format!("model-{number}")).unwrap(), Edition(0))
}

pub(super) fn request(number: u8) -> RequestId {
    RequestId::try_from(format!("request-{number}")).unwrap()
}

pub(super) fn lost() -> Refusal {
    Refusal::new(Code::WorkerLost, "lost")
}

pub(super) fn pick<T: Copy>(mut all: impl ExactSizeIterator<Item = T>, number: u8) -> Option<T> {
    let count = all.len();
    all.nth(usize::from(number).checked_rem(count)?)
}

impl World {
    pub(super) fn new() -> Self {
        let limits = Limits { memory_bytes: BUDGET, ..Limits::waiting(8, 5) };
        Self {
            state: State::new(limits),
            now_ms: 0,
            next: 0,
            open: BTreeMap::new(),
            ended: BTreeSet::new(),
            loading: BTreeMap::new(),
            spares: BTreeMap::new(),
            spared: BTreeMap::new(),
            held: BTreeMap::new(),
            rescue: Rescue::default(),
            draining: BTreeSet::new(),
            current: BTreeMap::new(),
            vocabularies: BTreeMap::new(),
            swaps: BTreeMap::new(),
            workers: BTreeMap::new(),
            drained: false,
        }
    }

    pub(super) fn apply(&mut self, op: Op) {
        match op {
            Op::Open(conn) => self.step(Event::Opened(ConnId(conn.into()))),
            Op::Close(conn) => self.close(ConnId(conn.into())),
            Op::Arrive(asked) => self.arrive(&asked),
            Op::Cancel(conn, id) => {
                let (conn, id) = (ConnId(conn.into()), request(id));
                self.step(Event::Cancelled { conn, target: id.clone().into() });
                assert!(!self.state.is_open(conn, &id), "all that share a name end with it");
            }
            Op::Move(number, conn, id) => self.move_one(number, ConnId(conn.into()), request(id)),
            Op::Abandon(number) => {
                if let Some(ticket) = pick(self.open.keys().copied(), number) {
                    self.step(Event::Abandoned { ticket, refusal: lost() });
                }
            }
            Op::LoadEnds(number, slots) => self.load_ends(number, slots.into()),
            Op::LoadFails(number) => self.load_fails(number),
            Op::LoadKilled(number) => self.load_killed(number),
            Op::JobEnds(number) => self.job_ends(number),
            Op::Started(number, prompt) => self.started(number, prompt.into()),
            Op::Grown(number, by) => self.grown(number, by.into()),
            Op::Parked(number) => self.parked(number),
            Op::WorkerDies(number) => self.worker_dies(number),
            Op::WorkerGone(number, loss) => self.worker_gone(number, loss),
            Op::Tick(ms) => self.tick(ms.into()),
            Op::Wait(s) => self.tick(1_000 * u64::from(s)),
            Op::Dismiss(number) => self.step(Event::Dismissed(self.line(number))),
            Op::WantSpare(number) => self.step(Event::SpareWanted(self.line(number))),
            Op::DropSpare(number) => self.step(Event::SpareUnwanted(self.line(number))),
            Op::Wanted(number) => self.step(Event::Wanted(self.line(number))),
            Op::Swap(conn, id, model) => self.swap(conn, id, model),
            Op::Drain(0) => self.step(Event::Drain),
            Op::Drain(1) if self.state.is_draining() => self.step(Event::Cut),
            Op::Drain(_) => {}
        }
    }

    /// The line of a model, for its file of now.
    pub(super) fn line(&self, number: u8) -> LineId {
        let first = line(number);
        let edition = self.current.get(&first.model).copied().unwrap_or_default();
        LineId { edition, ..first }
    }

    fn tick(&mut self, ms: u64) {
        self.now_ms += ms;
        let now_ms = self.now_ms;
        self.step(Event::Tick { now_ms });
        let next = self.state.next_deadline_ms();
        assert!(next.is_none_or(|at_ms| at_ms > now_ms));
    }

    /// Lets every load and job come to its end: then nobody may be left waiting.
    pub(super) fn run_out(&mut self) {
        // Each round ends a load, a job or a worker; arrivals were bounded, so are these.
        for round in 0..1_500 {
            self.load_ends(u8::try_from(round % 256).expect("a remainder"), 1);
            self.job_ends(0);
            let stopping = self.workers.iter().find(|(_, worker)| worker.stopping);
            if let Some((&worker, _)) = stopping {
                self.lose(worker, Loss::Innocent);
            }
        }
        assert!(self.open.is_empty(), "left waiting: {:?}", self.open);
        assert_eq!(self.state.waiting(), 0);
        assert!(self.loading.is_empty(), "left loading: {:?}", self.loading);
        assert!(self.swaps.is_empty(), "left swapping: {:?}", self.swaps);
        assert_eq!(self.state.is_draining(), self.drained);
    }

    pub(super) fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn step(&mut self, event: Event) {
        if matches!(event, Event::Drain) {
            self.drained = false;
        }
        self.state.set_now(self.now_ms);
        let lines = self.state.lines.iter();
        let known = lines.map(|(id, line)| (id.clone(), line.tenure.vocabulary));
        self.vocabularies = known.collect();
        for effect in step(&mut self.state, event) {
            self.check(effect);
        }
        self.is_clear();
        let lines: BTreeSet<_> =
            self.open.values().filter_map(|open| open.task.line().cloned()).collect();
        lines.iter().for_each(|line| self.check_positions(line));
        self.check_sessions();
        self.check_memory(self.state.granted());
    }
}
