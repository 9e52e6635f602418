//! Which requests share a worker's batch: slots, and who sits in them.

use core_wire::{code::Refusal, ids::JobId};

use super::{
    Effect, End, LineId, Part, State, Tenure, WorkerId,
    hearing::Ran,
    queue::Line,
    seat::{Seat, Share},
    spare::Spare,
};

/// Tokenize and detokenize jobs that a worker holds at once. They take no slot; 12 keep it busy
/// between two steps, and with [`TEXTS_MAX`] they are the 16 that it remembers beside its slots.
pub(super) const BRIEFS_MAX: usize = 12;

/// Embeddings that a worker holds at once. It computes one after the other, so that a second one
/// keeps it busy; a few more cost nothing, and each takes the place of a brief job for seconds.
pub(super) const TEXTS_MAX: usize = 4;

/// The worker of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Station {
    /// There is none.
    #[default]
    Absent,
    /// One is being started.
    Loading,
    /// It takes work.
    Serving(Crew),
    /// It finishes what it has, because somebody asked for the model to be unloaded.
    Finishing(Crew),
    /// It ends, asked for or not; nothing is given to it any more.
    Stopping(WorkerId),
}

/// A worker and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crew {
    pub(super) worker: WorkerId,
    pub(super) slots: usize,
    pub(super) held: usize,
    pub(super) briefs: usize,
    pub(super) briefs_max: usize,
    /// Embeddings.
    pub(super) texts: usize,
    pub(super) texts_max: usize,
    /// Cells of its KV cache.
    pub(super) cells: u32,
    /// Cells that its jobs are charged for; more than there are once they have grown.
    pub(super) charged: u32,
    /// Whether it said that no cell is free, and nothing has left it since.
    pub(super) full: bool,
    /// Whether what it runs is suspected of killing workers, and so runs alone.
    pub(super) suspect: bool,
    /// What it was given since it was started.
    pub(super) ran: Ran,
}

impl Crew {
    pub(super) fn new(worker: WorkerId, slots: usize, cells: u32, part: Part) -> Self {
        Self {
            worker,
            slots: slots.max(1),
            held: 0,
            briefs: 0,
            briefs_max: part.briefs_max(),
            texts: 0,
            texts_max: part.texts_max(),
            cells,
            charged: 0,
            full: false,
            suspect: false,
            ran: Ran::Nothing,
        }
    }

    /// Whether a job that needs so many cells can be given to it. One that needs more than there
    /// are goes alone: the worker knows exactly, and has all cells for it then.
    pub(super) fn has_room(&self, cells: u32) -> bool {
        let fits = self.charged.saturating_add(cells.min(self.cells)) <= self.cells;
        self.held == 0 || self.held < self.slots && !self.full && fits
    }

    pub(super) fn is_idle(self) -> bool {
        self.held == 0 && self.briefs == 0 && self.texts == 0
    }

    /// A job is given to it.
    pub(super) fn take(&mut self, cells: u32) {
        self.held += 1;
        self.charged = self.charged.saturating_add(cells);
    }

    /// A job has left.
    pub(super) fn release(&mut self, seat: &Seat) {
        match seat.share {
            Share::Slot => self.held -= 1,
            Share::Brief => self.briefs -= 1,
            Share::Text => self.texts -= 1,
        }
        self.charged = self.charged.saturating_sub(seat.cells);
        self.full = false;
        // Whoever is suspected was alone.
        self.suspect &= !self.is_idle();
    }
}

impl State {
    /// A line has its worker, or its spare. What was to be swapped for it is, and then who waits is
    /// served.
    pub(super) fn ready(&mut self, id: &LineId, crew: Crew, tenure: Tenure, out: &mut Vec<Effect>) {
        let line = self.lines.entry(id.clone()).or_default();
        if line.takes_spare(crew, out) {
            return;
        }
        debug_assert_eq!(line.station, Station::Loading, "ready answers a load");
        line.station = Station::Serving(crew);
        line.killed_loads = 0;
        (line.tenure, line.used_ms, line.wanted) = (tenure, self.now_ms, false);
        self.complete_swap(id, out);
        self.settle(id, out);
    }

    pub(super) fn load_failed(&mut self, id: &LineId, refusal: &Refusal, out: &mut Vec<Effect>) {
        self.memory.drop_wish(id);
        let spare = self.lines.get(id).map_or(Spare::None, |line| line.spare);
        match spare {
            Spare::Loading | Spare::Dropped => self.memory.release_spare(id),
            // It is tried again, for those who ran in the worker that was lost.
            Spare::Adopted => {}
            Spare::None | Spare::Ready(_) | Spare::Ending(_) => self.memory.release(id),
        }
        let Some(line) = self.lines.get_mut(id) else {
            return;
        };
        if line.spare_failed() {
            return self.settle(id, out);
        }
        line.station = Station::Absent;
        (line.wanted, line.killed_loads) = (false, 0);
        for ticket in line.take_all() {
            self.conclude(ticket, End::Refused(refusal.clone()), out);
        }
        self.abandon_swap(id, refusal, out);
        self.settle(id, out);
    }

    /// Ends a worker that nobody needs. One that somebody uses or waits for stays.
    pub(super) fn dismissed(&mut self, id: &LineId, out: &mut Vec<Effect>) {
        let Some(line) = self.lines.get_mut(id).filter(|line| !line.wants_worker()) else {
            return;
        };
        if let Station::Serving(crew) = line.station
            && crew.is_idle()
        {
            line.station = Station::Stopping(crew.worker);
            out.push(Effect::Stop(crew.worker));
            line.drop_spare(id, out);
        }
    }

    /// A job's share is free again; its request ends if it has not ended before.
    pub(super) fn job_ended(&mut self, job: JobId, end: End, out: &mut Vec<Effect>) {
        let Some(seat) = self.leave(job) else {
            return;
        };
        if let Some(ticket) = seat.ticket {
            self.conclude(ticket, end, out);
        }
        self.settle(&seat.line, out);
    }

    /// Frees what a job took of its worker.
    pub(super) fn leave(&mut self, job: JobId) -> Option<Seat> {
        let seat = self.jobs.remove(&job)?;
        if let Some(line) = self.lines.get_mut(&seat.line) {
            line.left(&seat, self.now_ms);
        }
        Some(seat)
    }

    /// A worker ends: it gets nothing more, and its jobs may still end by themselves.
    pub(super) fn dying(&mut self, worker: WorkerId) {
        let mut lines = self.lines.values_mut();
        if let Some(line) = lines.find(|line| line.has(worker)) {
            line.dies(worker);
        }
    }

    /// Whether a worker only finishes what it has.
    pub(crate) fn is_finishing(&self, worker: WorkerId) -> bool {
        let finishing =
            |line: &Line| matches!(line.station, Station::Finishing(crew) if crew.worker == worker);
        self.lines.values().any(finishing)
    }

    /// Slots in use and slots there are, for a worker that is ready.
    pub(crate) fn occupancy(&self, worker: WorkerId) -> Option<(usize, usize)> {
        let mut lines = self.lines.values();
        lines.find_map(|line| match line.station {
            Station::Serving(crew) | Station::Finishing(crew) if crew.worker == worker => {
                Some((crew.held, crew.slots))
            }
            Station::Absent
            | Station::Loading
            | Station::Stopping(_)
            | Station::Serving(_)
            | Station::Finishing(_) => None,
        })
    }
}

impl Station {
    pub(super) fn worker(self) -> Option<WorkerId> {
        match self {
            Self::Absent | Self::Loading => None,
            Self::Serving(crew) | Self::Finishing(crew) => Some(crew.worker),
            Self::Stopping(worker) => Some(worker),
        }
    }
}
