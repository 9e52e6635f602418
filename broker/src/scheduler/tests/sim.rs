//! A worker in little: it serves what it is given, one token a millisecond for each job.

use std::collections::BTreeMap;

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

/// Requests of one session and class.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) conn: u64,
    pub(super) class: Priority,
    pub(super) cost: Cost,
}

struct Running {
    job: JobId,
    ticket: u64,
    done: u32,
    asked: bool,
}

pub(super) struct Sim {
    pub(super) state: State,
    pub(super) now_ms: u64,
    next: u64,
    kinds: BTreeMap<u64, Kind>,
    /// Tokens that a parked request has got.
    got: BTreeMap<u64, u32>,
    running: Vec<Running>,
    /// Tickets in the order in which they were first given to the worker.
    pub(super) began: Vec<u64>,
    /// Tickets that ended, in order.
    pub(super) ended: Vec<u64>,
    pub(super) parks: usize,
    /// What was given out, by session: prompt and all tokens of each request that began.
    pub(super) served: BTreeMap<u64, u64>,
}

impl Sim {
    pub(super) fn new(slots: usize, cells: u32) -> Self {
        let mut state = State::new(Limits::waiting(1 << 20, 1 << 20));
        for conn in 0..4 {
            step(&mut state, Event::Opened(ConnId(conn)));
        }
        let mut sim = Self {
            state,
            now_ms: 0,
            next: 0,
            kinds: BTreeMap::new(),
            got: BTreeMap::new(),
            running: Vec::new(),
            began: Vec::new(),
            ended: Vec::new(),
            parks: 0,
            served: BTreeMap::new(),
        };
        let kind = Kind { conn: 3, class: Priority::Normal, cost: Cost::default() };
        sim.ask(Task::Load(line(0)), kind);
        sim.step(Event::Ready {
            line: line(0),
            worker: WorkerId(1),
            slots,
            cells,
            tenure: Tenure::default(),
        });
        sim
    }

    /// Requests of a session that were given to the worker.
    pub(super) fn began_of(&self, conn: u64) -> usize {
        self.began.iter().filter(|ticket| self.kinds[ticket].conn == conn).count()
    }

    pub(super) fn generate(&mut self, kind: Kind) -> u64 {
        self.ask(Task::Generate(line(0)), kind)
    }

    fn ask(&mut self, task: Task, kind: Kind) -> u64 {
        self.next += 1;
        let number = self.next;
        self.kinds.insert(number, kind);
        self.step(Event::Arrived(Arrival {
            ticket: Ticket(number),
            conn: ConnId(kind.conn),
            id: RequestId::try_from(number.to_string()).unwrap(),
            entry: Entry::Opens,
            task,
            class: kind.class,
            cost: kind.cost,
            bound: Bound::Model,
            deadline: None,
        }));
        number
    }

    /// Lets a millisecond pass: a token for each job, and the ends and parks that follow.
    pub(super) fn tick(&mut self) {
        self.now_ms += 1;
        self.state.set_now(self.now_ms);
        if self.state.next_deadline_ms().is_some_and(|due_ms| due_ms <= self.now_ms) {
            self.step(Event::Tick { now_ms: self.now_ms });
        }
        let jobs: Vec<_> = self.running.iter().map(|running| running.job).collect();
        jobs.into_iter().for_each(|job| self.advance(job));
    }

    fn advance(&mut self, job: JobId) {
        let at = self.running.iter().position(|running| running.job == job).expect("it runs");
        let running = &mut self.running[at];
        running.done += 1;
        let (ticket, emitted, asked) = (running.ticket, running.done, running.asked);
        let first = emitted == self.got.get(&ticket).copied().unwrap_or(0) + 1;
        let over = emitted >= self.kinds[&ticket].cost.max_tokens;
        if over || asked || first || emitted.is_multiple_of(64) {
            self.step(Event::Grown { job, emitted });
        }
        if over {
            self.running.remove(at);
            self.ended.push(ticket);
            self.step(Event::JobEnded { job, end: End::Generated(FinishReason::Length) });
        } else if asked {
            self.running.remove(at);
            self.got.insert(ticket, emitted);
            self.parks += 1;
            self.step(Event::Parked { job });
        }
    }

    fn step(&mut self, event: Event) {
        for effect in step(&mut self.state, event) {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Submit { ticket: Ticket(ticket), job, .. } => {
                let done = self.got.get(&ticket).copied();
                if done.is_none() {
                    self.began.push(ticket);
                    let Kind { conn, cost, .. } = self.kinds[&ticket];
                    *self.served.entry(conn).or_default() += cost.tokens();
                }
                let done = done.unwrap_or(0);
                self.running.push(Running { job, ticket, done, asked: false });
            }
            Effect::Park { job, .. } => {
                let asked = self.running.iter_mut().find(|running| running.job == job);
                asked.expect("it runs").asked = true;
            }
            Effect::Queued { .. } | Effect::Finish { .. } | Effect::Load(_) => {}
            other => panic!("{other:?} has no place here"),
        }
    }
}
