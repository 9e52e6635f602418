//! A worker is lost: what it ran waits again in front, and whoever was there too often ends.
//!
//! Who killed a worker cannot be seen from outside, but who was there each time can: a request that
//! was present at two deaths without a token in between runs next alone, and at a third death,
//! which nobody else can have caused, it is quarantined. A token shows that a worker survives it.
//! A worker that ran others before may have been harmed by those: a death there counts as the
//! second, and whoever was alone with it is the first that the next worker is given.
//!
//! A token is a worker's word, and one that lies says true ones before it does. So deaths also
//! count for good: from the eighth on a request runs alone whatever it gets, and the eighth that
//! nobody else can have caused ends it. Nobody is retried for ever, and nobody ends for what others
//! brought about.

use core_wire::{
    client::FinishReason,
    code::{Code, Refusal},
    ids::JobId,
};

use super::{
    Effect, End, Loss, State, Ticket, WorkerId,
    batch::Station,
    hearing::Hearing,
    seat::{Seat, Share},
};

/// Deaths at which a request that was present runs next alone: one may be chance.
const ALONE_AT: u32 = 2;

/// Deaths at which it is refused: the last one was of a worker that ran nothing else.
const QUARANTINE_AT: u32 = 3;

/// Deaths in all at which it runs alone for good, tokens or not: more than a few poisons of others
/// bring about before each of them is refused.
const ALONE_FOR_GOOD_AT: u32 = 8;

/// Deaths of workers that ran nothing else at which it is refused, tokens or not. A long answer on
/// an engine that crashes now and then survives a few; a worker that lies always dies before that.
const ALONE_MAX: u32 = 8;

/// Deaths that are counted against a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Deaths {
    /// Since its last token.
    count: u32,
    /// Tokens that it had at the last one.
    emitted: u32,
    /// In all.
    all: u32,
    /// Those of them that nobody else can have caused.
    alone: u32,
}

/// Who else can have brought about the death of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Company {
    /// Nobody: it was given nothing else since it was started.
    None,
    /// Others, that were there or had been: one that ended well may have left harm behind.
    Others,
}

impl Deaths {
    /// A worker died of something while it ran this, when it had so many tokens.
    fn note(&mut self, emitted: u32, company: Company) {
        self.clear_if_alive(emitted);
        // Who was alone in a worker that others had used goes on as what it was, and next alone in
        // a new one.
        self.count = match company {
            Company::None => self.count + 1,
            Company::Others => self.count.saturating_add(1).min(ALONE_AT),
        };
        self.all += 1;
        self.alone += u32::from(company == Company::None);
        self.emitted = emitted;
    }

    /// A token since the last death clears the count.
    pub(super) fn clear_if_alive(&mut self, emitted: u32) {
        if emitted > self.emitted {
            *self = Self { count: 0, emitted, ..*self };
        }
    }

    fn is_suspect(self) -> bool {
        self.count >= ALONE_AT || self.all >= ALONE_FOR_GOOD_AT
    }

    /// Why it is refused, if it is.
    fn conviction(self) -> Option<String> {
        if self.count >= QUARANTINE_AT {
            let count = self.count;
            return Some(format!(
                "{count} workers died while they ran this request, the last one with nothing else"
            ));
        }
        (self.alone >= ALONE_MAX).then(|| {
            let alone = self.alone;
            format!("{alone} workers died that ran nothing but this request, tokens or not")
        })
    }
}

impl State {
    /// A worker is no more: what ran there goes on with another or ends, what waits gets another.
    pub(super) fn gone(
        &mut self,
        worker: WorkerId,
        (refusal, loss): (&Refusal, Loss),
        out: &mut Vec<Effect>,
    ) {
        let jobs = self.jobs.iter().filter(|(_, seat)| seat.worker == worker);
        let jobs: Vec<_> = jobs.map(|(&job, _)| job).collect();
        let ran = !jobs.is_empty();
        let beside = jobs.len().saturating_sub(1);
        for job in jobs {
            self.lose((job, beside), (refusal, loss), out);
        }
        let mut lines = self.lines.iter();
        let found = lines.find(|(_, line)| line.has(worker)).map(|(id, _)| id.clone());
        // Nobody else is given what the next worker needs for those who ran in this one.
        let kept = ran && found.as_ref().is_some_and(|id| self.is_needed(id));
        if let Some(id) = found
            && let Some(line) = self.lines.get_mut(&id)
        {
            let stood_by = line.spare.worker() == Some(worker);
            let promoted = line.loses(&id, worker, out);
            if !stood_by {
                line.hearing = Hearing::None;
            }
            match line.station {
                _ if stood_by => self.memory.release_spare(&id),
                Station::Serving(_) | Station::Loading => self.memory.succeed(&id, kept),
                Station::Absent if kept => {}
                Station::Absent | Station::Finishing(_) | Station::Stopping(_) => {
                    self.memory.release(&id);
                }
            }
            self.settle(&id, out);
            if promoted {
                self.want_spare(&id, out);
            }
        }
    }

    fn lose(
        &mut self,
        (job, beside): (JobId, usize),
        (refusal, loss): (&Refusal, Loss),
        out: &mut Vec<Effect>,
    ) {
        let Some(seat) = self.leave(job) else {
            return;
        };
        let Some(ticket) = seat.ticket else {
            return;
        };
        if self.is_complete(ticket) {
            return self.conclude(ticket, End::Generated(FinishReason::Length), out);
        }
        let company = if seat.sole { Company::None } else { Company::Others };
        let request = self.requests.get_mut(&ticket);
        let conviction = request.filter(|_| loss == Loss::Suspect).and_then(|request| {
            request.deaths.note(request.emitted, company);
            request.deaths.conviction()
        });
        match (loss, conviction) {
            (Loss::Final, _) => self.conclude(ticket, End::Refused(refusal.clone()), out),
            (Loss::Innocent | Loss::Suspect, Some(why)) => {
                self.conclude(ticket, End::Refused(quarantined(&why, refusal)), out);
            }
            (Loss::Innocent | Loss::Suspect, None) => {
                self.is_waiting_again(ticket);
                self.put_back(ticket, &seat);
                if beside == 0 && !seat.sole {
                    self.hear_first(ticket, &seat.line);
                }
            }
        }
    }

    /// Lets a request wait again: where it stood, whatever share of a worker it had, or apart if it
    /// is suspected.
    pub(super) fn put_back(&mut self, ticket: Ticket, seat: &Seat) {
        let now_ms = self.now_ms;
        let (Some(request), Some(line)) =
            (self.requests.get(&ticket), self.lines.get_mut(&seat.line))
        else {
            return;
        };
        let Some(place) = request.place else {
            return;
        };
        match seat.share {
            _ if request.deaths.is_suspect() => line.suspects.push_back(ticket),
            Share::Slot => line.put_back(request.class, place, now_ms),
            Share::Brief => line.briefs.lane_mut(request.class).put(place, now_ms),
            Share::Text => line.texts.lane_mut(request.class).put(place, now_ms),
        }
    }

    /// Whether a request has to run alone.
    pub(super) fn is_suspect(&self, ticket: Ticket) -> bool {
        self.requests.get(&ticket).is_some_and(|request| request.deaths.is_suspect())
    }

    /// Whether a worker holds a request that had to run alone.
    pub(crate) fn runs_suspect(&self, worker: WorkerId) -> bool {
        let mut seats = self.jobs.values().filter(|seat| seat.worker == worker);
        seats.any(|seat| seat.ticket.is_some_and(|ticket| self.is_suspect(ticket)))
    }

    /// A request got a token; answers whether others may join its worker from now on.
    pub(super) fn acquit(&mut self, ticket: Ticket) -> bool {
        let Some(request) = self.requests.get_mut(&ticket) else {
            return false;
        };
        let suspect = request.deaths.is_suspect();
        request.deaths.clear_if_alive(request.emitted);
        suspect && !request.deaths.is_suspect()
    }
}

impl Station {
    /// What the worker holds is no longer suspected.
    pub(super) fn clear(&mut self) {
        if let Self::Serving(crew) | Self::Finishing(crew) = self {
            crew.suspect = false;
        }
    }
}

fn quarantined(why: &str, last: &Refusal) -> Refusal {
    let message = format!("{why}: do not send it again; of the last: {}", last.message);
    Refusal::new(Code::Quarantined, message)
}
