//! A world around the scheduler: sessions, loads, workers and jobs as the effects made them, which
//! checks each effect against what was promised.

use std::collections::{BTreeMap, BTreeSet};

use core_wire::{
    client::Priority,
    code::{Code, Refusal},
    ids::{JobId, ModelId, RequestId},
};

use super::ops::{Asked, Op, task_of};
use crate::{
    ipc::ConnId,
    scheduler::{
        Arrival, Cost, Deadline, Edition, Entry, Event, Limits, LineId, Loss, State, Task, Ticket,
        WorkerId, step,
    },
};

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
    pub(super) emitted: u32,
    pub(super) job: Option<JobId>,
    pub(super) told: Option<u32>,
    /// Deaths in a row without a token, and the tokens at the last of them.
    pub(super) deaths: (u32, u32),
}

pub(super) struct Worker {
    pub(super) line: LineId,
    pub(super) slots: usize,
    pub(super) cells: u32,
    pub(super) jobs: BTreeMap<JobId, Job>,
    /// It gave a job up unasked, and nothing has left it since.
    pub(super) full: bool,
    pub(super) stopping: bool,
    /// It may be given nothing.
    pub(super) spare: bool,
}

pub(super) struct World {
    pub(super) state: State,
    now_ms: u64,
    next: u64,
    pub(super) open: BTreeMap<Ticket, Open>,
    pub(super) ended: BTreeSet<Ticket>,
    pub(super) loading: BTreeSet<LineId>,
    /// Those of them that load a spare, and whether it was dropped.
    pub(super) spares: BTreeMap<LineId, bool>,
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
        let limits = Limits { waiting_max: 8, per_session_max: 5 };
        Self {
            state: State::new(limits),
            now_ms: 0,
            next: 0,
            open: BTreeMap::new(),
            ended: BTreeSet::new(),
            loading: BTreeSet::new(),
            spares: BTreeMap::new(),
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
            Op::JobEnds(number) => self.job_ends(number),
            Op::Started(number, prompt) => self.started(number, prompt.into()),
            Op::Grown(number, by) => self.grown(number, by.into()),
            Op::Parked(number) => self.parked(number),
            Op::WorkerDies(number) => self.worker_dies(number),
            Op::WorkerGone(number, loss) => self.worker_gone(number, loss),
            Op::Tick(ms) => self.tick(ms.into()),
            Op::Dismiss(number) => self.step(Event::Dismissed(line(number))),
            Op::WantSpare(number) => self.step(Event::SpareWanted(line(number))),
            Op::DropSpare(number) => self.step(Event::SpareUnwanted(line(number))),
            Op::Drain(0) => self.step(Event::Drain),
            Op::Drain(1) if self.state.is_draining() => self.step(Event::Cut),
            Op::Drain(_) => {}
        }
    }

    fn arrive(&mut self, asked: &Asked) {
        let ticket = Ticket(self.next());
        let (conn, id) = (ConnId(asked.conn.into()), request(asked.id));
        // Half of those whose name is open are further completions, the others are duplicates.
        let joins = ticket.0.is_multiple_of(2) && self.state.is_open(conn, &id);
        let entry = if joins { Entry::Joins } else { Entry::Opens };
        let task = task_of(asked.task, line(asked.model));
        let classes = [Priority::Interactive, Priority::Normal, Priority::Batch];
        let class = classes[usize::from(asked.class)];
        let (prompt, max_tokens) = (asked.cost.0.into(), asked.cost.1.into());
        let (job, told, emitted) = (None, None, 0);
        let (task_now, deaths) = (task.clone(), (0, 0));
        let open = Open { task: task_now, class, prompt, emitted, job, told, deaths };
        self.open.insert(ticket, open);
        let deadline = asked.deadline.map(|after| Deadline {
            at_ms: self.now_ms + u64::from(after),
            after_ms: after.into(),
        });
        self.step(Event::Arrived(Arrival {
            ticket,
            conn,
            id,
            entry,
            task,
            class,
            cost: Cost { prompt, max_tokens },
            deadline,
        }));
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
        for _ in 0..1_000 {
            self.load_ends(0, 1);
            self.job_ends(0);
            let stopping = self.workers.iter().find(|(_, worker)| worker.stopping);
            if let Some((&worker, _)) = stopping {
                self.lose(worker, Loss::Innocent);
            }
        }
        assert!(self.open.is_empty(), "left waiting: {:?}", self.open);
        assert_eq!(self.state.waiting(), 0);
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
        for effect in step(&mut self.state, event) {
            self.check(effect);
        }
        self.check_positions(&line(0));
        self.check_positions(&line(1));
        self.check_sessions();
    }
}
