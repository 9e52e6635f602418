//! Preemption: a batch request gives its slot up, waits in front of its class, and continues.

use core_wire::{
    client::Priority,
    code::{Code, Refusal},
    ids::JobId,
};

use super::{
    Effect, End, Request, State, Ticket, WorkerId,
    batch::Station,
    queue::Line,
    seat::{Seat, Share, Stay},
};

/// How often a request may be given up for lack of cells without a token in between. Once or twice
/// is bad luck; a worker that does it for ever has less memory than it said, or lies.
const FRUITLESS_MAX: u32 = 8;

/// When to try again then: others that hold cells have ended by that time, or the worker has.
const FULL_RETRY_MS: u32 = 1_000;

impl State {
    /// Asks for the slots of as many batch jobs as interactive requests could not be placed, less
    /// those that become free already. Each time it is the job that loses least.
    pub(super) fn make_room(&mut self, line: &Line, worker: WorkerId, out: &mut Vec<Effect>) {
        let wanted = line.slots.lane(Priority::Interactive).len();
        if wanted == 0 {
            return;
        }
        let (mut leaving, mut able) = (0, Vec::new());
        let seats = self.jobs.iter().filter(|(_, seat)| seat.worker == worker);
        for (&job, seat) in seats.filter(|(_, seat)| seat.share == Share::Slot) {
            let request = seat.ticket.and_then(|ticket| self.requests.get(&ticket));
            match (request, seat.stay) {
                (None, _) | (_, Stay::Leaves) => leaving += 1,
                (Some(request), Stay::Until(tokens))
                    if seat.class == Priority::Batch && request.emitted >= tokens =>
                {
                    able.push((request.emitted, std::cmp::Reverse(job)));
                }
                (Some(_), Stay::Until(_)) => {}
            }
        }
        able.sort_unstable();
        let missing = wanted.saturating_sub(leaving);
        for (_, std::cmp::Reverse(job)) in able.into_iter().take(missing) {
            if let Some(seat) = self.jobs.get_mut(&job) {
                seat.stay = Stay::Leaves;
            }
            out.push(Effect::Park { worker, job });
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

    fn wait_again(&mut self, ticket: Ticket, seat: &Seat, out: &mut Vec<Effect>) {
        let Some(request) = self.requests.get_mut(&ticket) else {
            return;
        };
        request.job = None;
        request.told = None;
        // Admitted once it is never refused, however many wait by now.
        self.waiting += 1;
        if let Some(session) = self.sessions.get_mut(&request.conn) {
            session.waiting += 1;
        }
        // Whoever was given up before its first token would never get one at this rate.
        let gained = request.emitted > seat.tokens;
        request.stays_until = if gained { 0 } else { request.emitted.saturating_add(1) };
        if seat.stay != Stay::Leaves && request.is_hopeless() {
            return self.conclude(ticket, End::Refused(hopeless()), out);
        }
        if let (Some(place), Some(line)) = (request.place, self.lines.get_mut(&seat.line)) {
            line.put_back(request.class, place, self.now_ms);
        }
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
