//! What waits for one worker.

use std::collections::{BTreeSet, VecDeque};

use core_wire::client::Priority;

use super::{
    Arrival, State, Task, Tenure, Ticket,
    batch::Station,
    fair::Place,
    hearing::Hearing,
    news::News,
    priority::{Lanes, Next},
    seat::{Seat, Share},
    spare::Spare,
    swap::Turnover,
};

/// The share of a new duration in the average of how long slots are held: an eighth follows a
/// change of load within a dozen requests, and one odd request does not move it much.
const HOLD_SHARE: u32 = 8;

/// One line: its worker, and everybody who waits for it.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Its worker, if any.
    pub(super) station: Station,
    /// A second one, if any.
    pub(super) spare: Spare,
    /// Wait for a slot.
    pub(super) slots: Lanes,
    /// Wait for a moment.
    pub(super) briefs: Lanes,
    /// Wait for an embedding.
    pub(super) texts: Lanes,
    /// Wait to have the worker alone, whatever they wait for; as many as may wait at all.
    pub(super) suspects: VecDeque<Ticket>,
    /// Whether it is their turn.
    pub(super) hearing: Hearing,
    /// Wait for the worker itself.
    pub(super) loads: BTreeSet<Ticket>,
    /// Wait for its end.
    pub(super) unloads: BTreeSet<Ticket>,
    /// Whether it is to have a worker though nobody waits.
    pub(super) wanted: bool,
    /// How often in a row its worker was killed from elsewhere while it loaded.
    pub(super) killed_loads: u32,
    /// How long its worker stays; kept when that is gone.
    pub(super) tenure: Tenure,
    /// When its worker was ready, or was last done with a job.
    pub(super) used_ms: u64,
    /// When its worker has stayed for as long as it may with nothing to do.
    pub(super) expires_at_ms: Option<u64>,
    /// How a swap of its file stands.
    pub(super) turnover: Turnover,
    /// Who of those who wait for a slot has to be told where they stand.
    pub(super) news: News,
    /// How long a slot was held of late, in milliseconds.
    hold_ms: Option<u32>,
}

impl Line {
    /// Whether somebody needs a worker.
    pub(super) fn wants_worker(&self) -> bool {
        let lanes = [&self.slots, &self.briefs, &self.texts];
        let alone = !self.suspects.is_empty();
        self.wanted
            || alone
            || !self.loads.is_empty()
            || lanes.into_iter().any(|lanes| !lanes.is_empty())
    }

    /// Whether nobody needs this entry.
    pub(super) fn is_idle(&self) -> bool {
        let settled = match self.turnover {
            Turnover::Settled | Turnover::Retired => true,
            Turnover::Kept | Turnover::Held => false,
        };
        let empty = matches!((self.station, self.spare), (Station::Absent, Spare::None));
        settled && empty && !self.wants_worker() && self.unloads.is_empty()
    }

    /// Puts a request where its task waits; answers its place in a queue that has places.
    pub(super) fn push(&mut self, arrival: &Arrival, cost: u64, now_ms: u64) -> Option<Place> {
        let (class, who) = (arrival.class, (arrival.conn, arrival.ticket));
        match arrival.task {
            Task::Generate(_) => {
                let place = self.slots.push(class, who, cost, now_ms);
                self.came(class, place);
                return Some(place);
            }
            Task::Brief(_) => return Some(self.briefs.push(class, who, cost, now_ms)),
            Task::Embed(_) => return Some(self.texts.push(class, who, cost, now_ms)),
            Task::Load(_) => self.loads.insert(arrival.ticket),
            Task::Unload(_) => self.unloads.insert(arrival.ticket),
            Task::Swap { .. } | Task::Drain => false,
        };
        None
    }

    /// Lets a request that was parked wait at the place it had.
    pub(super) fn put_back(&mut self, class: Priority, place: Place, now_ms: u64) {
        self.slots.lane_mut(class).put(place, now_ms);
        self.came(class, place);
    }

    /// Takes a request out again.
    pub(super) fn remove(&mut self, task: &Task, ticket: Ticket, at: Option<(Priority, Place)>) {
        let waited = self.suspects.len();
        self.suspects.retain(|&other| other != ticket);
        if self.suspects.len() < waited {
            return;
        }
        match (task, at) {
            (Task::Generate(_), Some((class, place))) => {
                let position = self.slots.position(class, place);
                self.slots.lane_mut(class).remove(place);
                self.news.left(position, self.slots.len());
            }
            (Task::Brief(_), Some((class, place))) => self.briefs.lane_mut(class).remove(place),
            (Task::Embed(_), Some((class, place))) => self.texts.lane_mut(class).remove(place),
            (Task::Load(_), _) => drop(self.loads.remove(&ticket)),
            (Task::Unload(_), _) => drop(self.unloads.remove(&ticket)),
            (Task::Generate(_) | Task::Brief(_) | Task::Embed(_), None) => {}
            (Task::Swap { .. } | Task::Drain, _) => {}
        }
    }

    fn came(&mut self, class: Priority, place: Place) {
        let position = self.slots.position(class, place);
        self.news.came(position, self.slots.len());
    }

    /// Serves the next of those who wait for a slot.
    pub(super) fn serve(&mut self, next: Next) {
        let position = self.slots.position(next.class, next.place);
        self.slots.serve(next);
        self.news.left(position, self.slots.len());
    }

    /// Everybody who needs a worker and has none, in order, out of the queues.
    pub(super) fn take_all(&mut self) -> Vec<Ticket> {
        let mut all: Vec<_> = std::mem::take(&mut self.suspects).into();
        all.extend(std::mem::take(&mut self.slots).from(0));
        all.extend(std::mem::take(&mut self.briefs).from(0));
        all.extend(std::mem::take(&mut self.texts).from(0));
        all.extend(std::mem::take(&mut self.loads));
        all
    }

    /// Moves those who wait, and may, to a line that nobody waits in yet; each keeps its class, its
    /// order and its age. Answers who they are.
    pub(super) fn hand_over(
        &mut self,
        to: &mut Self,
        moves: impl Fn(Ticket) -> bool,
    ) -> Vec<Ticket> {
        to.slots = self.slots.hand_over(&moves);
        to.briefs = self.briefs.hand_over(&moves);
        to.texts = self.texts.hand_over(&moves);
        let suspects = std::mem::take(&mut self.suspects).into_iter();
        (to.suspects, self.suspects) = suspects.partition(|&ticket| moves(ticket));
        to.loads = std::mem::take(&mut self.loads);
        to.hold_ms = self.hold_ms;
        self.news.left(0, self.slots.len());
        to.news.came(0, to.slots.len());
        to.waiters().collect()
    }

    /// Everybody who waits for the worker.
    pub(super) fn waiters(&self) -> impl Iterator<Item = Ticket> {
        let lanes = self.slots.from(0).chain(self.briefs.from(0)).chain(self.texts.from(0));
        self.suspects.iter().copied().chain(lanes).chain(self.loads.iter().copied())
    }

    /// Notes that a job has left the worker.
    pub(super) fn left(&mut self, seat: &Seat, now_ms: u64) {
        self.used_ms = now_ms;
        let lanes = match seat.share {
            Share::Slot => &mut self.slots,
            Share::Brief => &mut self.briefs,
            Share::Text => &mut self.texts,
        };
        lanes.lane_mut(seat.class).left(now_ms);
        if seat.share == Share::Slot {
            let held_ms = now_ms.saturating_sub(seat.since_ms);
            let held_ms = u32::try_from(held_ms).unwrap_or(u32::MAX);
            let mean = |old: u32| old - old / HOLD_SHARE + held_ms / HOLD_SHARE;
            self.hold_ms = Some(self.hold_ms.map_or(held_ms, mean));
        }
        if let Station::Serving(crew) | Station::Finishing(crew) = &mut self.station {
            crew.release(seat);
        }
    }

    /// A guess of how long a request waits with so many in front of it.
    pub(super) fn wait_ms(&self, position: u32) -> Option<u32> {
        let slots = match self.station {
            Station::Serving(crew) | Station::Finishing(crew) => crew.slots,
            Station::Absent | Station::Loading | Station::Stopping(_) => return None,
        };
        let rounds = u64::from(position) + 1;
        let wait_ms = rounds.saturating_mul(self.hold_ms?.into()) / slots.max(1) as u64;
        Some(u32::try_from(wait_ms).unwrap_or(u32::MAX))
    }
}

impl State {
    /// Requests of a class that wait for a slot, or to have the worker alone.
    pub(crate) fn depth(&self, class: Priority) -> usize {
        let of_class = |ticket: &&Ticket| {
            self.requests.get(ticket).is_some_and(|request| request.class == class)
        };
        let lines = self.lines.values();
        let waiting = lines.map(|line| {
            line.slots.lane(class).len() + line.suspects.iter().filter(of_class).count()
        });
        waiting.sum()
    }
}
