//! Preemption: a batch request gives its slot up, waits in front of its class, and continues.

use std::cmp::Reverse;

use core_wire::{
    client::{FinishReason, Priority},
    code::{Code, Refusal},
    ids::JobId,
};

use super::{
    Effect, End, Request, State, Ticket, WorkerId,
    batch::{Crew, Station},
    priority::Turn,
    queue::Line,
    seat::{Seat, Share, Stay},
};

/// How often a request may be given up for lack of cells without a token in between. Once or twice
/// is bad luck; a worker that does it for ever has less memory than it said, or lies.
const FRUITLESS_MAX: u32 = 8;

/// How often in a row a request may be asked to leave without a token in between. What it computed
/// of its prompt is mostly kept, so a few times cost little; for ever it would never get one. Then
/// it keeps its slot until it has a token, and whoever comes meanwhile waits for its prompt.
const IN_VAIN_MAX: u32 = 8;

/// When to try again then: others that hold cells have ended by that time, or the worker has.
const FULL_RETRY_MS: u32 = 1_000;

/// Jobs that hold a slot of one worker.
struct Leavers {
    /// They were asked to leave, or nobody waits for them.
    leaving: Vec<JobId>,
    /// They may be asked.
    able: Vec<JobId>,
}

impl State {
    /// Asks batch jobs to leave for the interactive requests that could not be placed: each time
    /// the one that loses least, and never more of them than requests wait, less those that leave
    /// already. Where not even the room of all of them would do, none is disturbed.
    pub(super) fn make_room(&mut self, line: &Line, crew: Crew, out: &mut Vec<Effect>) {
        let waiting = line.slots.lane(Priority::Interactive);
        if waiting.is_empty() {
            return;
        }
        let Leavers { leaving, able } = self.leavers(crew.worker);
        let mut after = crew;
        for job in &leaving {
            self.vacate(&mut after, *job);
        }
        let of_use = self.of_use(line, after, &able);
        let missing = waiting.len().saturating_sub(leaving.len());
        for job in able.into_iter().take(of_use.min(missing)) {
            if let Some(seat) = self.jobs.get_mut(&job) {
                seat.stay = Stay::Leaves;
            }
            out.push(Effect::Park { worker: crew.worker, job });
        }
    }

    /// How many of those that are `able` to leave make room for somebody: for the first of those
    /// who wait, and for each behind it, as far as that goes.
    fn of_use(&self, line: &Line, mut after: Crew, able: &[JobId]) -> usize {
        let (mut left, mut of_use) = (able.iter(), 0);
        // Whoever is next because of its age is not passed by an interactive request.
        let aged = line.slots.next(self.now_ms).filter(|next| next.turn == Turn::Age);
        let aged = aged.map(|next| next.place.ticket());
        let interactive = line.slots.lane(Priority::Interactive).from(0).take(after.slots);
        for ticket in aged.into_iter().chain(interactive) {
            let Some(cells) = self.requests.get(&ticket).map(Request::cells) else {
                continue;
            };
            while !after.has_room(cells) {
                let Some(job) = left.next() else {
                    return of_use;
                };
                self.vacate(&mut after, *job);
            }
            after.take(cells);
            of_use = able.len() - left.len();
        }
        of_use
    }

    /// What holds a slot of a worker and will not, or need not; who loses least comes first.
    fn leavers(&self, worker: WorkerId) -> Leavers {
        let (mut leaving, mut able) = (Vec::new(), Vec::new());
        let seats = self.jobs.iter().filter(|(_, seat)| seat.worker == worker);
        for (&job, seat) in seats.filter(|(_, seat)| seat.share == Share::Slot) {
            let request = seat.ticket.and_then(|ticket| self.requests.get(&ticket));
            match (request, seat.stay) {
                (None, _) | (_, Stay::Leaves) => leaving.push(job),
                (Some(request), Stay::Until(tokens))
                    if seat.class == Priority::Batch && request.emitted >= tokens =>
                {
                    able.push((request.emitted, Reverse(job)));
                }
                (Some(_), Stay::Until(_)) => {}
            }
        }
        able.sort_unstable();
        Leavers { leaving, able: able.into_iter().map(|(_, Reverse(job))| job).collect() }
    }

    /// Takes a job out of a crew as it will be.
    fn vacate(&self, after: &mut Crew, job: JobId) {
        if let Some(seat) = self.jobs.get(&job) {
            after.release(seat);
        }
    }

    /// A worker gave a job up: its request waits again where it stood, which is in front.
    pub(super) fn parked(&mut self, job: JobId, out: &mut Vec<Effect>) {
        let Some(seat) = self.leave(job) else {
            return;
        };
        let line = self.lines.get_mut(&seat.line);
        if seat.stay != Stay::Leaves
            && let Some(line) = line
        {
            line.station.note_full();
        }
        if let Some(ticket) = seat.ticket {
            self.wait_again(ticket, &seat, out);
        }
        self.settle(&seat.line, out);
    }

    /// Counts a request that had a job among those that wait. Admitted once it is never refused,
    /// however many wait by now.
    pub(super) fn is_waiting_again(&mut self, ticket: Ticket) {
        let Some(request) = self.requests.get_mut(&ticket) else {
            return;
        };
        request.job = None;
        request.told = None;
        self.waiting += 1;
        if let Some(session) = self.sessions.get_mut(&request.conn) {
            session.waiting += 1;
        }
    }

    fn wait_again(&mut self, ticket: Ticket, seat: &Seat, out: &mut Vec<Effect>) {
        self.is_waiting_again(ticket);
        if self.is_complete(ticket) {
            return self.conclude(ticket, End::Generated(FinishReason::Length), out);
        }
        let Some(request) = self.requests.get_mut(&ticket) else {
            return;
        };
        let gained = request.emitted > seat.tokens;
        request.in_vain = if gained { 0 } else { request.in_vain + 1 };
        let tired = request.in_vain >= IN_VAIN_MAX;
        request.stays_until = if tired { request.emitted.saturating_add(1) } else { 0 };
        if seat.stay != Stay::Leaves && request.is_hopeless() {
            return self.conclude(ticket, End::Refused(hopeless()), out);
        }
        self.put_back(ticket, seat);
    }
}

impl Station {
    /// The worker says that no cell is free. Until something leaves it nothing is gained by trying
    /// again, and once nothing is left all cells are free.
    fn note_full(&mut self) {
        if let Self::Serving(crew) | Self::Finishing(crew) = self {
            crew.full = crew.held > 0;
        }
    }
}

impl Request {
    /// Counts that it was given up for lack of cells; answers whether to try again makes no sense.
    fn is_hopeless(&mut self) -> bool {
        let (times, emitted) = self.fruitless;
        let times = if emitted == self.emitted { times + 1 } else { 1 };
        self.fruitless = (times, self.emitted);
        times > FRUITLESS_MAX
    }
}

fn hopeless() -> Refusal {
    let message = format!(
        "the KV cache was full {FRUITLESS_MAX} times before the next token: ask for less, or when \
         others have ended"
    );
    Refusal::new(Code::Memory, message).after(FULL_RETRY_MS)
}
