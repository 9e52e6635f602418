//! Who is suspected, and what a kill during a load means, in a history.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    loads::Stage,
    world::{Open, Worker, World, lost, pick},
};
use crate::scheduler::{
    Event, KILLED_LOADS_MAX, LineId, Loss, Ticket, batch::Station, queue::Line, swap::Turnover,
};

/// Deaths that somebody was there for.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    /// In a row without a token.
    count: u32,
    /// Tokens at the last of them.
    emitted: u32,
    all: u32,
}

/// What becomes of the memory of lost workers.
#[derive(Default)]
pub(super) struct Rescue {
    /// The line whose worker was lost in this step, until that is clear.
    pub(super) leaving: Option<LineId>,
    /// Lines that hold memory for a worker that comes in the place of a lost one.
    pub(super) reserved: BTreeSet<LineId>,
    /// How often in a row the worker of a line was killed while it loaded.
    pub(super) killed: BTreeMap<LineId, u32>,
}

impl Open {
    /// A worker that ran it is lost; `sole` tells whether that ever ran anything else.
    pub(super) fn was_there(&mut self, loss: Loss, sole: bool) {
        let Deaths { count, all, .. } = self.deaths;
        let count = if self.emitted > self.deaths.emitted { 0 } else { count };
        self.deaths = match loss {
            Loss::Suspect => {
                let most = if sole { 3 } else { 2 };
                Deaths { count: most.min(count + 1), emitted: self.emitted, all: all + 1 }
            }
            Loss::Innocent | Loss::Final => Deaths { count, all, ..self.deaths },
        };
    }

    /// Whether it has to have a worker alone.
    pub(super) fn is_suspect(&self) -> bool {
        let Deaths { count, emitted, all } = self.deaths;
        count >= 2 && self.emitted <= emitted || all >= 8
    }

    /// Whether it was not there too often.
    pub(super) fn may_go_on(&self) -> bool {
        self.deaths.count < 3
    }
}

impl World {
    /// Whether a request is, or has to make room for, a suspect.
    pub(super) fn is_heard(&self, ticket: Ticket) -> bool {
        let Some(open) = self.open.get(&ticket) else {
            return false;
        };
        let line = open.task.line();
        let mut waiting = self.open.values().filter(|other| other.job.is_none());
        open.is_suspect() || waiting.any(|other| other.is_suspect() && other.task.line() == line)
    }

    /// Somebody kills what is being started for a line: nobody who waits is told, until that has
    /// happened too often.
    pub(super) fn load_killed(&mut self, number: u8) {
        let runs = |stage: &Stage| matches!(stage, Stage::Prepared | Stage::Started);
        let able: Vec<_> = self.loading.iter().filter(|(_, stage)| runs(stage)).collect();
        let Some((line, _)) = pick(able.into_iter(), number) else {
            return;
        };
        let line = line.clone();
        self.loading.remove(&line);
        let event = Event::LoadKilled { line: line.clone(), refusal: lost() };
        if self.spares.remove(&line).is_some() {
            self.lost_spare(&line);
            return self.step(event);
        }
        let times = self.rescue.killed.entry(line.clone()).or_default();
        *times += 1;
        let bears = *times <= KILLED_LOADS_MAX;
        let (open, awaited) = (self.open.len(), self.awaited(&line));
        self.rescue.leaving = Some(line.clone());
        self.step(event);
        let again = self.loading.contains_key(&line);
        assert!(again || !bears || !awaited, "nobody comes for those who wait");
        assert!(!bears || !awaited || self.open.len() == open, "somebody is told of a kill");
        if !again {
            self.rescue.killed.remove(&line);
        }
    }

    /// A worker that is being started serves from now on: with what it was granted, or will be, and
    /// until then with what the lost one had for those who ran there.
    pub(super) fn adopts(&mut self, line: &LineId, ran: bool) {
        if self.spared.contains_key(line) || !ran {
            self.held.remove(line);
        }
        if self.held.contains_key(line) {
            self.rescue.leaving = Some(line.clone());
        }
        self.succeeds(line);
    }

    /// What is being started for a line does not come. One that was begun as a spare may be tried
    /// again, in the memory that was kept for it.
    pub(super) fn gives_up(&mut self, line: &LineId) {
        self.rescue.killed.remove(line);
        match self.spares.remove(line) {
            Some(_) => self.lost_spare(line),
            None => self.rescue.leaving = Some(line.clone()),
        }
    }

    /// A line's spare is gone; if its worker was lost before, the next one may come now.
    pub(super) fn lost_spare(&mut self, line: &LineId) {
        self.spared.remove(line);
        if !self.adopted(line) {
            self.rescue.leaving = self.rescue.reserved.take(line);
        }
    }

    /// Another worker comes for a line: if it lost one in this step, for that it keeps what the
    /// lost one had.
    pub(super) fn comes_back(&mut self, line: &LineId) {
        if self.rescue.leaving.take_if(|leaving| leaving == line).is_some()
            && self.held.contains_key(line)
        {
            self.rescue.reserved.insert(line.clone());
        }
    }

    /// By now it is clear what becomes of the memory of a lost worker.
    pub(super) fn is_clear(&mut self) {
        if let Some(line) = self.rescue.leaving.take() {
            let adopted = self.adopted(&line) && self.state.is_needed(&line);
            match adopted || self.spare_goes(&line) {
                true => drop(self.rescue.reserved.insert(line)),
                false => drop(self.held.remove(&line)),
            }
        }
        // Whom nobody waits for any more, or only for another file, gets no next worker.
        let reserved = std::mem::take(&mut self.rescue.reserved);
        let (kept, free) =
            reserved.into_iter().partition(|line| self.adopted(line) || self.spare_goes(line));
        self.rescue.reserved = kept;
        let free: BTreeSet<LineId> = free;
        self.held.retain(|line, _| !free.contains(line));
    }

    /// Whether what is being started for a line is to serve it.
    fn adopted(&self, line: &LineId) -> bool {
        self.loading.contains_key(line) && !self.spares.contains_key(line)
    }

    /// Whether those who wait for a line wait for the end of a spare that is not wanted any more.
    fn spare_goes(&self, line: &LineId) -> bool {
        let ends = |worker: &Worker| worker.line == *line && worker.spare && worker.stopping;
        let goes = self.spares.get(line) == Some(&true) || self.workers.values().any(ends);
        let held = |line: &Line| (line.turnover, line.station) == (Turnover::Held, Station::Absent);
        goes && self.state.is_needed(line) && !self.state.lines.get(line).is_some_and(held)
    }
}
