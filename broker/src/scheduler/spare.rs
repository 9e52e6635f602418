//! A spare: a second worker of a line, loaded and idle, that serves as soon as the first is lost.
//!
//! A line has at most one, and one load at a time: a spare is only begun beside a worker that
//! serves, and when that one is lost meanwhile, the load that was begun for the spare is that of
//! the line. A spare is given nothing before it serves, and never outlives the use of its line.

use super::{
    Drain, Effect, LineId, State, WorkerId,
    batch::{Crew, Station},
    queue::Line,
    swap::Turnover,
};

/// The spare of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Spare {
    /// There is none.
    #[default]
    None,
    /// One is being started.
    Loading,
    /// One is being started that nobody wants any more.
    Dropped,
    /// One was being started when the line lost its worker: it is to serve.
    Adopted,
    /// It waits until it is needed.
    Ready(Crew),
    /// It ends, asked for or not.
    Ending(WorkerId),
}

impl Spare {
    pub(super) fn worker(self) -> Option<WorkerId> {
        match self {
            Self::None | Self::Loading | Self::Dropped | Self::Adopted => None,
            Self::Ready(crew) => Some(crew.worker),
            Self::Ending(worker) => Some(worker),
        }
    }
}

impl State {
    /// Begins a spare beside a worker that serves, unless there is one.
    pub(super) fn want_spare(&mut self, id: &LineId, out: &mut Vec<Effect>) {
        let drains = self.drain != Drain::Open;
        let Some(line) = self.lines.get_mut(id).filter(|_| !drains) else {
            return;
        };
        // The other file of a swap is worth its memory more.
        if line.turnover == Turnover::Settled
            && let (Station::Serving(_), Spare::None) = (line.station, line.spare)
        {
            line.spare = Spare::Loading;
            out.push(Effect::LoadSpare(id.clone()));
        }
    }

    /// Gives up the spare of a line: its memory is needed, or it is no longer configured.
    pub(super) fn drop_spare(&mut self, id: &LineId, out: &mut Vec<Effect>) {
        if let Some(line) = self.lines.get_mut(id) {
            line.drop_spare(id, out);
        }
    }

    /// Whether the worker that is being started for a line would be its spare.
    pub(crate) fn loads_spare(&self, id: &LineId) -> bool {
        let spare = self.lines.get(id).map(|line| line.spare);
        matches!(spare, Some(Spare::Loading | Spare::Dropped))
    }

    /// Whether what is being started for a line is a spare that nobody wants any more.
    pub(crate) fn drops_spare(&self, id: &LineId) -> bool {
        self.lines.get(id).is_some_and(|line| line.spare == Spare::Dropped)
    }

    /// Whether the worker that is being started for a line was begun as its spare: that one fails
    /// at nobody's cost.
    pub(crate) fn began_as_spare(&self, id: &LineId) -> bool {
        let spare = self.lines.get(id).map(|line| line.spare);
        matches!(spare, Some(Spare::Loading | Spare::Dropped | Spare::Adopted))
    }
}

impl Line {
    /// Takes a worker that is ready as the spare; answers whether it is one.
    pub(super) fn takes_spare(&mut self, crew: Crew, out: &mut Vec<Effect>) -> bool {
        match self.spare {
            Spare::Loading => self.spare = Spare::Ready(crew),
            Spare::Dropped => {
                self.spare = Spare::Ending(crew.worker);
                out.push(Effect::Stop(crew.worker));
            }
            Spare::Adopted => {
                self.spare = Spare::None;
                return false;
            }
            Spare::None | Spare::Ready(_) | Spare::Ending(_) => return false,
        }
        true
    }

    /// A load failed; answers whether it was begun for the spare. One that was adopted is tried
    /// again as what it had become.
    pub(super) fn spare_failed(&mut self) -> bool {
        match self.spare {
            Spare::Loading | Spare::Dropped => {}
            Spare::Adopted => self.station = Station::Absent,
            Spare::None | Spare::Ready(_) | Spare::Ending(_) => return false,
        }
        self.spare = Spare::None;
        true
    }

    /// Nobody needs the spare any more.
    pub(super) fn drop_spare(&mut self, id: &LineId, out: &mut Vec<Effect>) {
        match self.spare {
            Spare::Loading => {
                self.spare = Spare::Dropped;
                out.push(Effect::DropSpare(id.clone()));
            }
            Spare::Ready(crew) => {
                self.spare = Spare::Ending(crew.worker);
                out.push(Effect::Stop(crew.worker));
            }
            Spare::None | Spare::Dropped | Spare::Adopted | Spare::Ending(_) => {}
        }
    }

    /// A worker of the line ends: as its spare it does not take anybody's place.
    pub(super) fn dies(&mut self, worker: WorkerId) {
        if self.spare.worker() == Some(worker) {
            self.spare = Spare::Ending(worker);
        } else {
            self.station = Station::Stopping(worker);
        }
    }

    /// A worker of the line is no more; answers whether its spare serves now.
    pub(super) fn loses(&mut self, id: &LineId, worker: WorkerId, out: &mut Vec<Effect>) -> bool {
        if self.spare.worker() == Some(worker) {
            self.spare = Spare::None;
            return false;
        }
        match self.spare {
            Spare::Ready(crew) => {
                (self.spare, self.wanted) = (Spare::None, false);
                self.station = Station::Serving(crew);
                out.push(Effect::Promote { line: id.clone(), worker: crew.worker });
                return true;
            }
            Spare::Loading => {
                self.spare = Spare::Adopted;
                self.station = Station::Loading;
            }
            Spare::None | Spare::Dropped | Spare::Adopted | Spare::Ending(_) => {
                self.station = Station::Absent;
            }
        }
        false
    }

    /// Whether it has a worker of this id.
    pub(super) fn has(&self, worker: WorkerId) -> bool {
        [self.station.worker(), self.spare.worker()].contains(&Some(worker))
    }
}
