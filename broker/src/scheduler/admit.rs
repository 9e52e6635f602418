//! Who may come in.

use core_wire::{
    code::{Code, Refusal},
    ids::ModelId,
};

use super::{
    Arrival, Drain, Effect, End, Entry, Limits, Request, State, Task, batch::Station,
    cells::needed, fair::Place, hearing::Hearing, queue::Line, recover::Deaths, swap::Turnover,
};

/// When to try again after `QUEUE_FULL`: a short answer's time on a small machine. Too early costs
/// one more refusal, too late leaves a slot unused.
const QUEUE_FULL_RETRY_MS: u32 = 1_000;

/// When to try again while a model is being swapped: a small one is loaded by then.
const SWAPPING_RETRY_MS: u32 = 1_000;

/// When to try again after `DRAINING`: a restart takes about as long.
const DRAINING_RETRY_MS: u32 = 5_000;

impl State {
    /// Nothing open, nothing loaded.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            requests: Default::default(),
            sessions: Default::default(),
            lines: Default::default(),
            jobs: Default::default(),
            memory: Default::default(),
            swaps: Default::default(),
            expiries: Default::default(),
            deadlines: Default::default(),
            drains: Default::default(),
            waiting: 0,
            next_job: 1,
            drain: Drain::Open,
            now_ms: 0,
            sweeps: Default::default(),
            swept: None,
            sweep_at_ms: None,
        }
    }

    /// Tells the time, on the clock of [`super::Event::Tick`]; it never goes back.
    pub(crate) fn set_now(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
    }

    /// The limits of a configuration that was read again; what waits already stays.
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Whether a request of this name is open in the session.
    pub(crate) fn is_open(&self, conn: crate::ipc::ConnId, id: &core_wire::ids::RequestId) -> bool {
        let session = self.sessions.get(&conn);
        session.is_some_and(|session| session.open.contains_key(id))
    }

    /// Whether new work is refused.
    pub(crate) fn is_draining(&self) -> bool {
        self.drain != Drain::Open
    }

    /// Requests that wait for a slot, a moment or a worker.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn arrive(&mut self, arrival: Arrival, out: &mut Vec<Effect>) {
        if let Err(end) = self.admit(&arrival) {
            if let Task::Swap { to, .. } = arrival.task {
                out.push(Effect::Kept(to));
            }
            out.push(Effect::Finish { ticket: arrival.ticket, end });
            return;
        }
        let ticket = arrival.ticket;
        let line = match arrival.task.clone() {
            Task::Unload(id) if self.waits_for_swap(&id, ticket) => {
                return self.note(arrival, None);
            }
            Task::Generate(id)
            | Task::Brief(id)
            | Task::Embed(id)
            | Task::Load(id)
            | Task::Unload(id) => id,
            Task::Swap { from, to } => {
                self.note(arrival, None);
                return self.begin_swap(ticket, from, to, out);
            }
            Task::Drain => {
                self.note(arrival, None);
                self.drains.insert(ticket);
                return self.begin_drain();
            }
        };
        let cost = arrival.cost.tokens();
        let entry = self.lines.entry(line.clone()).or_default();
        let place = entry.push(&arrival, cost, self.now_ms);
        self.note(arrival, place);
        self.settle(&line, out);
        self.tell_newcomer(&line, ticket, out);
    }

    /// Opens a request that was admitted; it waits until it is given to a worker.
    fn note(&mut self, arrival: Arrival, place: Option<Place>) {
        let Arrival { ticket, conn, id, task, class, cost, bound, deadline, .. } = arrival;
        let session = self.sessions.entry(conn).or_default();
        session.open.entry(id.clone()).or_default().push(ticket);
        session.waiting += 1;
        self.waiting += 1;
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline.at_ms, ticket));
        }
        let request = Request {
            conn,
            id,
            task,
            class,
            bound,
            deadline,
            job: None,
            told: None,
            cost,
            charged: cost.tokens(),
            place,
            emitted: 0,
            was_given: false,
            stays_until: 0,
            in_vain: 0,
            fruitless: (0, 0),
            deaths: Deaths::default(),
        };
        self.requests.insert(ticket, request);
    }

    fn admit(&self, arrival: &Arrival) -> Result<(), End> {
        let Some(session) = self.sessions.get(&arrival.conn) else {
            return Err(End::Unheard);
        };
        if arrival.entry == Entry::Opens {
            if session.open.contains_key(&arrival.id) {
                return Err(End::Refused(duplicate()));
            }
            if self.is_draining() && arrival.task.is_work() {
                return Err(End::Refused(draining()));
            }
        }
        if let Task::Swap { from, .. } = &arrival.task
            && self.swaps.contains_key(&from.model)
        {
            return Err(End::Refused(swapping(&from.model)));
        }
        if self.fits_now(arrival) {
            return Ok(());
        }
        let Limits { waiting_max, per_session_max, .. } = self.limits;
        if session.waiting >= per_session_max {
            return Err(End::Refused(full("this session has", session.waiting, per_session_max)));
        }
        if self.waiting >= waiting_max {
            return Err(End::Refused(full("the broker has", self.waiting, waiting_max)));
        }
        Ok(())
    }

    /// Whether the task would not wait at all.
    fn fits_now(&self, arrival: &Arrival) -> bool {
        let (Task::Generate(id) | Task::Brief(id) | Task::Embed(id)) = &arrival.task else {
            return false;
        };
        let open = |line: &&Line| line.turnover != Turnover::Held && line.hearing == Hearing::None;
        let Some(line) = self.lines.get(id).filter(open) else {
            return false;
        };
        match (&line.station, &arrival.task) {
            (Station::Serving(crew), Task::Generate(_)) => {
                line.slots.is_empty() && crew.has_room(needed(arrival.cost.prompt, 0))
            }
            (Station::Serving(crew), Task::Embed(_)) => {
                line.texts.is_empty() && crew.texts < crew.texts_max
            }
            (Station::Serving(crew), _) => crew.briefs < crew.briefs_max,
            (
                Station::Absent | Station::Loading | Station::Finishing(_) | Station::Stopping(_),
                _,
            ) => false,
        }
    }

    pub(super) fn begin_drain(&mut self) {
        self.drain = Drain::Draining;
    }

    /// Answers those who wait for the drain once nothing else is left.
    pub(super) fn settle_drain(&mut self, out: &mut Vec<Effect>) {
        if self.drain != Drain::Draining || self.requests.len() > self.drains.len() {
            return;
        }
        for ticket in std::mem::take(&mut self.drains) {
            self.conclude(ticket, End::Drained, out);
        }
        self.drain = Drain::Drained;
        out.push(Effect::Drained);
    }
}

impl Task {
    /// Whether a draining broker refuses it.
    fn is_work(&self) -> bool {
        match self {
            Self::Generate(_) | Self::Brief(_) | Self::Embed(_) | Self::Load(_) => true,
            Self::Swap { .. } => true,
            Self::Unload(_) | Self::Drain => false,
        }
    }
}

/// The id of a request is open already.
pub(crate) fn duplicate() -> Refusal {
    Refusal::new(
        Code::DuplicateRequest,
        "this request id is open in this session: choose another, or wait for its end",
    )
}

pub(super) fn draining() -> Refusal {
    let message = "the broker finishes what runs and takes nothing new, until it is started anew";
    Refusal::new(Code::Draining, message).after(DRAINING_RETRY_MS)
}

/// A model is being swapped, and one swap at a time is enough.
pub(crate) fn swapping(model: &ModelId) -> Refusal {
    let message = format!("{model} is being swapped for another file: ask again when that is done");
    Refusal::new(Code::QueueFull, message).after(SWAPPING_RETRY_MS)
}

fn full(whose: &str, waiting: usize, max: usize) -> Refusal {
    let message = format!("{whose} {waiting} requests waiting; at most {max} may");
    Refusal::new(Code::QueueFull, message).after(QUEUE_FULL_RETRY_MS)
}
