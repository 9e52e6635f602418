//! Suspects are heard one at a time: each has the worker alone until its first token, or its end.
//!
//! Whoever is suspected waits apart, so that it blocks no queue. When its turn comes, what holds a
//! slot gives it up, as for memory, and continues when all have been heard. Suspects are heard for
//! so long in a row and no longer where others wait; then those have the worker for as long. A
//! worker that is new hears suspects first: nothing but them can be what ends it then.

use core_wire::ids::JobId;

use super::{
    Effect, LineId, State, Task, Ticket,
    batch::{Crew, Station},
    priority::{Next, Turn},
    queue::Line,
    seat::{Seat, Share, Stay},
    swap::Turnover,
};

/// How long suspects are heard while others wait, and how long those have the worker after that:
/// several thousand tokens of prompt on two cores, and as long as a silent worker is given.
pub(super) const HEARING_MS: u64 = 10_000;

/// Who has the worker of a line where somebody is suspected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Hearing {
    /// Nobody is.
    #[default]
    None,
    /// Those who are, one after the other, since then.
    Since(u64),
    /// The others, until then.
    Adjourned(u64),
}

/// What a worker has been given since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ran {
    /// Nothing.
    #[default]
    Nothing,
    /// One request, however often.
    Only(Ticket),
    /// Several: each of them may have done it harm that shows later.
    Several,
}

impl Ran {
    /// A request is given to the worker; answers whether nothing else has been.
    fn note(&mut self, ticket: Ticket) -> bool {
        *self = match *self {
            Self::Nothing => Self::Only(ticket),
            Self::Only(only) if only == ticket => Self::Only(ticket),
            Self::Only(_) | Self::Several => Self::Several,
        };
        *self != Self::Several
    }
}

impl State {
    /// Hears those who are suspected, as far as it is their turn; answers whether others have to
    /// wait for that.
    pub(super) fn hear(
        &mut self,
        id: &LineId,
        line: &mut Line,
        crew: &mut Crew,
        out: &mut Vec<Effect>,
    ) -> bool {
        line.hearing = line.next_hearing(*crew, self.now_ms);
        let asked_to_leave = match line.hearing {
            Hearing::None => return false,
            Hearing::Adjourned(_) => crew.suspect,
            Hearing::Since(_) if crew.is_idle() => {
                self.seat_suspect(id, line, crew, out);
                false
            }
            Hearing::Since(_) => !crew.suspect,
        };
        if asked_to_leave {
            self.ask_to_leave(*crew, out);
        }
        crew.suspect || matches!(line.hearing, Hearing::Since(_))
    }

    /// Gives the worker to the first of those who are suspected.
    fn seat_suspect(
        &mut self,
        id: &LineId,
        line: &mut Line,
        crew: &mut Crew,
        out: &mut Vec<Effect>,
    ) {
        let Some(ticket) = line.suspects.pop_front() else {
            return;
        };
        let Some((next, share)) = self.suspect(ticket) else {
            return;
        };
        crew.suspect = true;
        match share {
            Share::Slot => {
                let Some(seat) = self.seat(id, *crew, next) else {
                    return line.suspects.push_front(ticket);
                };
                line.serve(next);
                crew.take(seat.cells);
                self.submit(next, seat, crew, out);
            }
            Share::Brief => self.seat_brief(id, line, (next, crew), out),
            Share::Text => self.seat_text(id, line, (next, crew), out),
        }
    }

    /// Whoever was alone with a worker that others had used is the first to have a new one.
    pub(super) fn hear_first(&mut self, ticket: Ticket, id: &LineId) {
        if let Some(line) = self.lines.get_mut(id)
            && line.suspects.back() == Some(&ticket)
        {
            line.suspects.rotate_right(1);
        }
    }

    /// Where a request that is suspected waits, and for what.
    fn suspect(&self, ticket: Ticket) -> Option<(Next, Share)> {
        let request = self.requests.get(&ticket)?;
        let share = match request.task {
            Task::Generate(_) => Share::Slot,
            Task::Brief(_) => Share::Brief,
            Task::Embed(_) => Share::Text,
            Task::Load(_) | Task::Unload(_) | Task::Swap { .. } | Task::Drain => return None,
        };
        Some((Next { class: request.class, place: request.place?, turn: Turn::Class }, share))
    }

    /// Asks what holds a slot to give it up. What was promised some tokens has them first.
    fn ask_to_leave(&mut self, crew: Crew, out: &mut Vec<Effect>) {
        let seats = self.jobs.iter_mut().filter(|(_, seat)| seat.worker == crew.worker);
        for (&job, seat) in seats.filter(|(_, seat)| seat.share == Share::Slot) {
            let request = seat.ticket.and_then(|ticket| self.requests.get(&ticket));
            if let (Some(request), Stay::Until(tokens)) = (request, seat.stay)
                && request.emitted >= tokens
            {
                seat.stay = Stay::Leaves;
                out.push(Effect::Park { worker: crew.worker, job });
            }
        }
    }

    /// Notes that a worker was given a request, and whether it ever was given another.
    pub(super) fn note_given(&mut self, job: JobId, mut seat: Seat, crew: &mut Crew) {
        let before = crew.ran;
        seat.sole = seat.ticket.is_some_and(|ticket| crew.ran.note(ticket));
        if crew.ran != before && !seat.sole {
            // From now on nothing is all that it was given.
            let seats = self.jobs.values_mut().filter(|seat| seat.worker == crew.worker);
            seats.for_each(|seat| seat.sole = false);
        }
        self.jobs.insert(job, seat);
    }
}

impl Line {
    fn next_hearing(&self, crew: Crew, now_ms: u64) -> Hearing {
        let others = self.others_wait();
        match self.hearing {
            _ if self.suspects.is_empty() && !crew.suspect => Hearing::None,
            Hearing::None => Hearing::Since(now_ms),
            Hearing::Since(since_ms) if others && now_ms >= since_ms + HEARING_MS => {
                Hearing::Adjourned(now_ms + HEARING_MS)
            }
            Hearing::Adjourned(until_ms) if now_ms >= until_ms || crew.is_idle() && !others => {
                Hearing::Since(now_ms)
            }
            Hearing::Since(_) | Hearing::Adjourned(_) => self.hearing,
        }
    }

    /// Whether somebody waits who is not suspected.
    fn others_wait(&self) -> bool {
        let lanes = [&self.slots, &self.briefs, &self.texts];
        lanes.into_iter().any(|lanes| !lanes.is_empty())
    }

    /// When it is somebody else's turn.
    pub(super) fn hearing_due_ms(&self) -> Option<u64> {
        let Station::Serving(_) = self.station else {
            return None;
        };
        match self.hearing {
            _ if self.turnover == Turnover::Held => None,
            Hearing::Since(since_ms) => self.others_wait().then_some(since_ms + HEARING_MS),
            Hearing::Adjourned(until_ms) => (!self.suspects.is_empty()).then_some(until_ms),
            Hearing::None => None,
        }
    }
}
