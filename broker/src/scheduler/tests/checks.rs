//! What each effect must be, seen from the world.

use std::collections::BTreeSet;

use core_wire::{client::Priority, ids::JobId};

use super::{
    loads::vocabulary,
    world::{Job, Mark, World},
};
use crate::scheduler::{Bound, Effect, LineId, Task, Ticket, WorkerId, cells::needed};

impl World {
    pub(super) fn check(&mut self, effect: Effect) {
        match effect {
            Effect::Start(line) => self.check_start(line),
            Effect::NoRoom { line, refusal } => self.check_no_room(line, refusal),
            Effect::Draining(line) => {
                assert!(self.workers.values().any(|worker| worker.line == line), "who drains?");
                self.draining.insert(line);
            }
            Effect::Swapped { from, to } => self.check_swapped(&from, &to),
            Effect::Kept(to) => self.check_kept(&to),
            Effect::Retired(line) => self.check_retired(&line),
            Effect::Finish { ticket, .. } => {
                assert!(self.ended.insert(ticket), "{ticket:?} ended twice");
                self.open.remove(&ticket).expect("only an arrival ends");
            }
            Effect::Queued { ticket, position, .. } => {
                let open = self.open.get_mut(&ticket).expect("told after its end");
                assert!(open.job.is_none(), "told though it does not wait");
                assert_ne!(open.told.replace(position), Some(position), "told twice");
            }
            Effect::Load(line) => self.check_load(line),
            Effect::LoadSpare(line) => self.check_load_spare(line),
            Effect::DropSpare(line) => {
                assert_eq!(self.spares.insert(line, true), Some(false), "dropped once");
            }
            Effect::Promote { line, worker } => self.check_promote(&line, worker),
            Effect::Submit { worker, ticket, job, class } => {
                self.check_submit(worker, ticket, job, class);
            }
            Effect::CancelJob { worker, job } => self.check_cancel(worker, job),
            Effect::Park { worker, job } => self.check_park(worker, job),
            Effect::Stop(worker) => self.check_stop(worker),
            Effect::Drained => {
                assert!(self.open.is_empty(), "drained with open requests");
                self.drained = true;
            }
        }
    }

    fn check_cancel(&mut self, worker: WorkerId, job: JobId) {
        let worker = self.workers.get_mut(&worker).expect("a live worker");
        let job = worker.jobs.get_mut(&job).expect("a running job");
        job.mark = match job.mark {
            Mark::Runs | Mark::Leaves => Mark::Cancelled,
            // It takes no slot, and is cancelled once.
            Mark::Text => Mark::Brief,
            Mark::Cancelled | Mark::Brief => panic!("cancelled twice, or though it is brief"),
        };
    }

    fn check_stop(&mut self, worker: WorkerId) {
        let worker = self.workers.get_mut(&worker).expect("a live worker");
        assert!(worker.jobs.is_empty(), "stopped while it runs");
        assert!(!worker.stopping, "stopped once");
        worker.stopping = true;
        if !worker.spare {
            let line = worker.line.clone();
            self.check_needless(&line);
        }
    }

    fn check_submit(&mut self, worker: WorkerId, ticket: Ticket, job: JobId, class: Priority) {
        let open = self.open.get_mut(&ticket).expect("submitted after its end");
        assert!(open.job.replace(job).is_none(), "submitted twice at once");
        assert_eq!(open.class, class);
        open.told = None;
        let crew = self.workers.get(&worker).expect("submitted to a live worker");
        assert_eq!(open.task.line(), Some(&crew.line), "it ends on the file that it came for");
        let home = open.home.replace(crew.line.clone());
        if let Some(home) = home.filter(|home| *home != crew.line && open.emitted > 0) {
            let (old, new) = (vocabulary(&home), vocabulary(&crew.line));
            assert!(old == new && old != 0, "tokens behind those of another vocabulary");
            assert_ne!(open.bound, Bound::Edition);
        }
        let generates = matches!(open.task, Task::Generate(_));
        let complete = open.max_tokens > 0 && open.emitted >= open.max_tokens;
        assert!(!generates || !complete, "it has every token that it asked for");
        let suspect = open.is_suspect();
        let mark = match open.task {
            Task::Generate(_) => Mark::Runs,
            Task::Embed(_) => Mark::Text,
            _ => Mark::Brief,
        };
        let cells = if generates { needed(open.prompt, open.emitted) } else { 0 };
        let crew = self.workers.get_mut(&worker).expect("submitted to a live worker");
        assert!(!crew.stopping, "submitted to a worker that ends");
        assert!(!crew.spare, "submitted to a spare");
        assert!(!suspect || crew.jobs.is_empty(), "a suspect is not alone");
        let suspected =
            |job: &Job| self.open.get(&job.ticket).is_some_and(|open| open.is_suspect());
        assert!(!crew.jobs.values().any(suspected), "given to a worker that a suspect has alone");
        crew.ran.insert(ticket);
        crew.jobs.insert(job, Job { mark, class, cells, ticket });
        let slots = crew.jobs.values().filter(|job| job.mark.takes_slot()).count();
        assert!(slots <= crew.slots, "more jobs than slots");
        let charged: u32 = crew.jobs.values().map(|job| job.cells).sum();
        let alone = slots == 1;
        assert!(!generates || alone || charged <= crew.cells, "more cells than there are");
        assert!(!generates || alone || !crew.full, "given to a worker that has no cell");
    }

    fn check_park(&mut self, worker: WorkerId, job: JobId) {
        let heard = self.workers.get(&worker).and_then(|crew| crew.jobs.get(&job));
        let heard = heard.is_some_and(|job| self.is_heard(job.ticket));
        let crew = self.workers.get_mut(&worker).expect("a live worker");
        let parked = crew.jobs.get_mut(&job).expect("a running job");
        assert!(parked.mark == Mark::Runs, "asked once, and only what somebody waits for");
        let class = parked.class;
        parked.mark = Mark::Leaves;
        if heard || self.swaps.values().any(|(from, _)| *from == crew.line) {
            return;
        }
        assert_eq!(class, Priority::Batch);
        let leaving = |job: &&Job| matches!(job.mark, Mark::Leaves | Mark::Cancelled);
        let leaving = crew.jobs.values().filter(leaving).count();
        let line = crew.line.clone();
        let waiting = self.waiting(&line).filter(|(class, _)| *class == Priority::Interactive);
        assert!(leaving <= waiting.count(), "parked for nobody");
    }

    /// Class and position of those who wait for a slot in its order: suspects wait apart.
    fn waiting<'a>(
        &'a self,
        line: &'a LineId,
    ) -> impl Iterator<Item = (Priority, Option<u32>)> + 'a {
        let open = self.open.values();
        let open = open.filter(|open| open.job.is_none() && !open.is_suspect());
        let here = open.filter(move |open| matches!(&open.task, Task::Generate(of) if of == line));
        here.map(|open| (open.class, open.told))
    }

    /// Everybody who waits knows where, classes stand in their order, and nobody stands twice.
    pub(super) fn check_positions(&self, line: &LineId) {
        let mut all: Vec<_> = self.waiting(line).map(|(class, told)| (told, class)).collect();
        all.sort_unstable();
        let told: Vec<_> = all.iter().map(|(told, _)| *told).collect();
        let right: Vec<_> = (0..).map(Some).take(all.len()).collect();
        assert_eq!(told, right);
        assert!(all.is_sorted_by_key(|(_, class)| *class), "a lower class in front");
        let tickets: BTreeSet<_> = self.open.keys().collect();
        assert!(tickets.iter().all(|ticket| !self.ended.contains(ticket)));
    }
}
