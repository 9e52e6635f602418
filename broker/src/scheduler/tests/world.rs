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
        Arrival, Cost, Deadline, End, Event, Limits, LineId, State, Task, Ticket, WorkerId,
        cells::needed, step,
    },
};

/// Cells of a worker: one request of the largest kind, or several of the others.
const CELLS: u32 = 512;

/// What a job was seen doing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Runs,
    /// It was asked to leave.
    Leaves,
    Cancelled,
    Brief,
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
}

pub(super) struct Worker {
    pub(super) line: LineId,
    pub(super) slots: usize,
    pub(super) cells: u32,
    pub(super) jobs: BTreeMap<JobId, Job>,
    /// It gave a job up unasked, and nothing has left it since.
    pub(super) full: bool,
    pub(super) stopping: bool,
}

pub(super) struct World {
    state: State,
    now_ms: u64,
    next: u64,
    pub(super) open: BTreeMap<Ticket, Open>,
    pub(super) ended: BTreeSet<Ticket>,
    pub(super) loading: BTreeSet<LineId>,
    pub(super) workers: BTreeMap<WorkerId, Worker>,
    pub(super) drained: bool,
}

pub(super) fn line(number: u8) -> LineId {
    LineId::whole(ModelId::try_from(format!("model-{number}")).unwrap())
}

pub(super) fn request(number: u8) -> RequestId {
    RequestId::try_from(format!("request-{number}")).unwrap()
}

fn lost() -> Refusal {
    Refusal::new(Code::WorkerLost, "lost")
}

fn pick<T: Copy>(mut all: impl ExactSizeIterator<Item = T>, number: u8) -> Option<T> {
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
            workers: BTreeMap::new(),
            drained: false,
        }
    }

    pub(super) fn apply(&mut self, op: Op) {
        match op {
            Op::Open(conn) => self.step(Event::Opened(ConnId(conn.into()))),
            Op::Close(conn) => self.step(Event::Closed(ConnId(conn.into()))),
            Op::Arrive(asked) => self.arrive(&asked),
            Op::Cancel(conn, id) => self
                .step(Event::Cancelled { conn: ConnId(conn.into()), target: request(id).into() }),
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
            Op::WorkerGone(number) => self.worker_gone(number),
            Op::Tick(ms) => self.tick(ms.into()),
            Op::Dismiss(number) => self.step(Event::Dismissed(line(number))),
            Op::Drain(0) => self.step(Event::Drain),
            Op::Drain(1) if self.state.is_draining() => self.step(Event::Cut),
            Op::Drain(_) => {}
        }
    }

    fn arrive(&mut self, asked: &Asked) {
        let ticket = Ticket(self.next());
        let task = task_of(asked.task, line(asked.model));
        let classes = [Priority::Interactive, Priority::Normal, Priority::Batch];
        let class = classes[usize::from(asked.class)];
        let (prompt, max_tokens) = (asked.cost.0.into(), asked.cost.1.into());
        let (job, told, emitted) = (None, None, 0);
        self.open.insert(ticket, Open { task: task.clone(), class, prompt, emitted, job, told });
        let deadline = asked.deadline.map(|after| Deadline {
            at_ms: self.now_ms + u64::from(after),
            after_ms: after.into(),
        });
        self.step(Event::Arrived(Arrival {
            ticket,
            conn: ConnId(asked.conn.into()),
            id: request(asked.id),
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
                self.lose(worker);
            }
        }
        assert!(self.open.is_empty(), "left waiting: {:?}", self.open);
        assert_eq!(self.state.waiting(), 0);
        assert_eq!(self.state.is_draining(), self.drained);
    }

    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn load_ends(&mut self, number: u8, slots: usize) {
        let Some(line) = pick(self.loading.iter(), number).cloned() else {
            return;
        };
        self.loading.remove(&line);
        let worker = WorkerId(self.next());
        let (jobs, cells) = (BTreeMap::new(), CELLS);
        let crew = Worker { line: line.clone(), slots, cells, jobs, full: false, stopping: false };
        self.workers.insert(worker, crew);
        self.step(Event::Ready { line, worker, slots, cells });
    }

    fn load_fails(&mut self, number: u8) {
        if let Some(line) = pick(self.loading.iter(), number).cloned() {
            self.loading.remove(&line);
            self.step(Event::LoadFailed { line, refusal: lost() });
        }
    }

    fn job_ends(&mut self, number: u8) {
        let jobs: Vec<_> = self.workers.values().flat_map(|w| w.jobs.keys().copied()).collect();
        let Some(job) = pick(jobs.iter().copied(), number) else {
            return;
        };
        self.vacate(job);
        self.step(Event::JobEnded { job, end: End::Answered });
    }

    /// The world's view of a job that leaves.
    fn vacate(&mut self, job: JobId) -> Option<Job> {
        let mut workers = self.workers.values_mut();
        let crew = workers.find(|crew| crew.jobs.contains_key(&job))?;
        crew.full = false;
        crew.jobs.remove(&job)
    }

    /// A generating job, with its request if that has not ended.
    fn generating(&mut self, number: u8) -> Option<(JobId, &mut Job, Option<&mut Open>)> {
        let jobs = self.workers.values_mut().flat_map(|crew| crew.jobs.iter_mut());
        let jobs: Vec<_> = jobs.filter(|(_, job)| job.mark != Mark::Brief).collect();
        let count = jobs.len();
        let (&id, job) =
            jobs.into_iter().nth(usize::from(number).checked_rem(count)?).expect("counted");
        let open = self.open.get_mut(&job.ticket);
        Some((id, job, open))
    }

    fn started(&mut self, number: u8, prompt: u32) {
        if let Some((job, seat, Some(open))) = self.generating(number) {
            open.prompt = prompt;
            seat.cells = needed(prompt, open.emitted);
            self.step(Event::Started { job, prompt });
        }
    }

    fn grown(&mut self, number: u8, by: u32) {
        if let Some((job, seat, Some(open))) = self.generating(number) {
            open.emitted += by;
            seat.cells = needed(open.prompt, open.emitted);
            let emitted = open.emitted;
            self.step(Event::Grown { job, emitted });
        }
    }

    fn parked(&mut self, number: u8) {
        let Some((job, _, _)) = self.generating(number) else {
            return;
        };
        let mut workers = self.workers.values_mut();
        let crew = workers.find(|crew| crew.jobs.contains_key(&job)).expect("it runs");
        let left = crew.jobs.remove(&job).expect("it runs");
        let others = crew.jobs.values().any(|job| job.mark != Mark::Brief);
        crew.full = left.mark != Mark::Leaves && left.mark != Mark::Cancelled && others;
        if let Some(open) = self.open.get_mut(&left.ticket) {
            (open.job, open.told) = (None, None);
        }
        self.step(Event::Parked { job });
    }

    fn worker_dies(&mut self, number: u8) {
        let Some(worker) = pick(self.workers.keys().copied(), number) else {
            return;
        };
        if let Some(dying) = self.workers.get_mut(&worker) {
            // From here on a submission to it fails the check; its jobs may still end.
            dying.stopping = true;
        }
        self.step(Event::Dying(worker));
    }

    fn worker_gone(&mut self, number: u8) {
        if let Some(worker) = pick(self.workers.keys().copied(), number) {
            self.lose(worker);
        }
    }

    fn lose(&mut self, worker: WorkerId) {
        self.workers.remove(&worker);
        self.step(Event::Gone { worker, refusal: lost() });
    }

    fn step(&mut self, event: Event) {
        if matches!(event, Event::Drain) {
            self.drained = false;
        }
        self.state.set_now(self.now_ms);
        for effect in step(&mut self.state, event) {
            self.check(effect);
        }
        self.check_positions(&line(0));
        self.check_positions(&line(1));
    }
}
