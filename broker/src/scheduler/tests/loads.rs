//! Loads, memory and swaps in a history.

use core_wire::{
    client::Priority,
    code::{Code, Refusal},
};
use std::collections::{BTreeMap, BTreeSet};

use super::world::{BUDGET, CELLS, Open, Worker, World, lost, pick, request};
use crate::{
    config::Keep,
    ipc::ConnId,
    scheduler::{
        Arrival, Bound, Cost, Edition, Entry, Event, LineId, Task, Tenure, Ticket, WorkerId,
    },
};

/// How far a load has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// Its file is looked at.
    Prepared,
    /// It waits for so much memory.
    Sized(u64),
    /// Its worker was started.
    Started,
    /// There is no memory for it.
    Refused(Refusal),
}

/// Two files in a row have the same vocabulary, and one is unknown.
pub(super) fn vocabulary(line: &LineId) -> u64 {
    [1, 1, 2, 2, 0][line.edition.0 as usize % 5]
}

impl World {
    /// Takes a load one step further; what waits for memory waits.
    pub(super) fn load_ends(&mut self, number: u8, slots: usize) {
        let Some(line) = pick(self.loading.keys(), number).cloned() else {
            return;
        };
        match self.loading.remove(&line).expect("picked") {
            Stage::Prepared => {
                let bytes = 20 + u64::from(number) % 90;
                self.loading.insert(line.clone(), Stage::Sized(bytes));
                // An inspector that was taken over may say anything.
                let lies = number.is_multiple_of(7);
                let vocabulary = if lies { 1 } else { vocabulary(&line) };
                self.step(Event::Sized { line, bytes, vocabulary });
            }
            waits @ Stage::Sized(_) => drop(self.loading.insert(line, waits)),
            Stage::Started => self.is_ready(line, slots),
            Stage::Refused(refusal) => {
                self.gives_up(&line);
                self.step(Event::LoadFailed { line, refusal });
            }
        }
    }

    fn is_ready(&mut self, line: LineId, slots: usize) {
        let worker = WorkerId(self.next());
        let keep = match worker.0 % 7 {
            0 => Keep::Pinned,
            1 => Keep::Low,
            _ => Keep::Normal,
        };
        let (jobs, cells) = (BTreeMap::new(), CELLS);
        let (full, stopping, dropped) = (false, false, self.spares.remove(&line));
        let (of, spare) = (line.clone(), dropped.is_some());
        let ran = BTreeSet::new();
        let crew = Worker { line: of, keep, slots, cells, jobs, full, stopping, spare, ran };
        self.rescue.killed.remove(&line);
        self.workers.insert(worker, crew);
        let idle_ms = worker.0.is_multiple_of(3).then_some(worker.0 % 8);
        let tenure = Tenure { keep, idle_ms, vocabulary: vocabulary(&line) };
        self.step(Event::Ready { line, worker, slots, cells, tenure });
        let stopped = self.workers.get(&worker).is_some_and(|worker| worker.stopping);
        assert!(stopped || dropped != Some(true), "a spare that nobody wants stays");
    }

    pub(super) fn load_fails(&mut self, number: u8) {
        let fails = |stage: &Stage| matches!(stage, Stage::Prepared | Stage::Started);
        let able: Vec<_> = self.loading.iter().filter(|(_, stage)| fails(stage)).collect();
        if let Some((line, _)) = pick(able.into_iter(), number) {
            let line = line.clone();
            self.loading.remove(&line);
            self.gives_up(&line);
            self.step(Event::LoadFailed { line, refusal: lost() });
        }
    }

    pub(super) fn swap(&mut self, conn: u8, id: u8, model: u8) {
        let from = self.line(model);
        let edition = Edition(u32::try_from(self.next()).expect("few"));
        let to = LineId { edition, ..from.clone() };
        self.ask(Arrival {
            ticket: Ticket(0),
            conn: ConnId(conn.into()),
            id: request(id),
            entry: Entry::Opens,
            task: Task::Swap { from, to },
            class: Priority::Normal,
            cost: Cost::default(),
            bound: Bound::Model,
            deadline: None,
        });
    }

    pub(super) fn check_load(&mut self, line: LineId) {
        assert!(self.workers.values().all(|worker| worker.line != line), "a second worker");
        assert!(!self.spares.contains_key(&line), "a load beside that of a spare");
        self.note_swap(&line);
        self.comes_back(&line);
        let first = self.loading.insert(line, Stage::Prepared);
        assert!(first.is_none(), "a second load");
    }

    pub(super) fn check_start(&mut self, line: LineId) {
        self.is_clear();
        let Some(Stage::Sized(bytes)) = self.loading.insert(line.clone(), Stage::Started) else {
            panic!("{line:?} was not asked for memory");
        };
        let spare = self.spares.get(&line);
        assert_ne!(spare, Some(&true), "started for nobody");
        let held = if spare.is_some() { &mut self.spared } else { &mut self.held };
        let before = held.insert(line.clone(), bytes);
        let reserved = spare.is_none() && self.rescue.reserved.remove(&line);
        assert!(before.is_none() || reserved, "granted twice");
        assert!(self.granted() <= BUDGET, "beyond the budget: {:?}", (&self.held, &self.spared));
    }

    fn granted(&self) -> u64 {
        self.held.values().chain(self.spared.values()).sum()
    }

    pub(super) fn check_memory(&self, granted: u64) {
        assert_eq!(granted, self.granted(), "{:?}", (&self.held, &self.spared));
    }

    pub(super) fn check_no_room(&mut self, line: LineId, refusal: Refusal) {
        self.is_clear();
        let Some(Stage::Sized(bytes)) = self.loading.get(&line) else {
            panic!("{line:?} was not asked for memory");
        };
        assert_eq!(refusal.code, Code::Memory);
        assert_eq!(refusal.retry_after_ms.is_none(), *bytes > BUDGET, "{refusal:?}");
        let free = BUDGET - self.granted();
        match self.spares.get(&line) {
            Some(dropped) => assert!(*dropped || *bytes > free, "{bytes} fit the free {free}"),
            None => {
                // What its lost worker held is kept for it.
                let own = self.held.get(&line).copied().unwrap_or(0);
                let room = free + self.going() + own;
                let awaited = self.awaited(&line) || self.swaps.values().any(|(_, to)| *to == line);
                assert!(*bytes > room || !awaited, "{bytes} would have had room in {room}");
            }
        }
        self.loading.insert(line, Stage::Refused(refusal));
    }

    /// Bytes of those that end, or may be asked to for another model.
    fn going(&self) -> u64 {
        let goes =
            |worker: &&Worker| !worker.spare && (worker.stopping || self.is_needless(worker));
        let going = self.workers.values().filter(goes).map(|worker| self.held[&worker.line]);
        going.sum::<u64>() + self.going_spares()
    }

    /// Whether a worker may be asked to end for another model.
    fn is_needless(&self, worker: &Worker) -> bool {
        let swapped = self.swaps.contains_key(&worker.line.model);
        let free = worker.jobs.is_empty() && !worker.spare && !self.awaited(&worker.line);
        free && !swapped && worker.keep != Keep::Pinned && !self.unloaded(&worker.line)
    }

    /// Whether somebody waits for a line's worker.
    pub(super) fn awaited(&self, line: &LineId) -> bool {
        let waits = |open: &Open| match &open.task {
            Task::Generate(of) | Task::Brief(of) | Task::Embed(of) | Task::Load(of) => of == line,
            Task::Unload(_) | Task::Swap { .. } | Task::Drain => false,
        };
        self.open.values().any(|open| open.job.is_none() && waits(open))
    }

    fn unloaded(&self, line: &LineId) -> bool {
        let unloads =
            |open: &Open| matches!(&open.task, Task::Unload(of) if of.model == line.model);
        self.draining.contains(line) || self.open.values().any(unloads)
    }

    /// A worker is asked to end: for an unload, for a swap, or because nobody needs it.
    pub(super) fn check_needless(&self, line: &LineId) {
        let swapped = self.swaps.get(&line.model).is_some_and(|(from, _)| from == line);
        let asked = self.unloaded(line) || swapped;
        assert!(asked || !self.awaited(line), "{line:?} goes though somebody waits for it");
    }

    /// A load that takes the place of another begins with a request for it.
    pub(super) fn note_swap(&mut self, line: &LineId) {
        for open in self.open.values() {
            if let Task::Swap { from, to } = &open.task
                && to == line
            {
                let pair = (from.clone(), to.clone());
                let first = self.swaps.insert(line.model.clone(), pair);
                let again = self.rescue.killed.contains_key(line);
                assert!(first.is_none() || again, "one swap of a model at a time");
            }
        }
    }

    pub(super) fn check_swapped(&mut self, from: &LineId, to: &LineId) {
        let swap = self.swaps.remove(&to.model);
        assert_eq!(swap, Some((from.clone(), to.clone())), "a swap that was asked for");
        let lives = self.is_served(from);
        let new = self.workers.values().find(|worker| worker.line == *to);
        assert!(new.is_some_and(|worker| !worker.stopping), "the new worker serves");
        // Of a file that had no worker of late nothing is known.
        let known = self.vocabularies.get(from).copied().unwrap_or(0);
        let same = known == vocabulary(to) && known != 0;
        for open in self.open.values_mut().filter(|open| open.job.is_none()) {
            let bound = match open.bound {
                Bound::Model => false,
                Bound::Vocabulary => !same,
                Bound::Edition => true,
            };
            let stays = bound || open.emitted > 0 && (lives || !same);
            let loads = matches!(open.task, Task::Load(_) | Task::Unload(_));
            if open.task.line() == Some(from) && (loads || !stays) {
                open.task.move_to(to);
            }
        }
        self.current.insert(to.model.clone(), to.edition);
    }
}
