//! What each effect must be, seen from the world.

use core_wire::ids::JobId;

use super::world::{Mark, World};
use crate::scheduler::{Effect, Task, Ticket, WorkerId};

impl World {
    pub(super) fn check(&mut self, effect: Effect) {
        match effect {
            Effect::Finish { ticket, .. } => {
                assert!(self.ended.insert(ticket), "{ticket:?} ended twice");
                self.open.remove(&ticket).expect("only an arrival ends");
            }
            Effect::Queued { ticket, position } => {
                assert!(self.open.contains_key(&ticket), "told after its end");
                assert!(position < 8, "nobody is further back than the limit");
            }
            Effect::Load(line) => {
                let mut workers = self.workers.values();
                assert!(workers.all(|worker| worker.line != line), "a second worker");
                assert!(self.loading.insert(line), "a second load");
            }
            Effect::Submit { worker, ticket, job } => self.check_submit(worker, ticket, job),
            Effect::CancelJob { worker, job } => self.check_cancel(worker, job),
            Effect::Stop(worker) => self.check_stop(worker),
            Effect::Drained => {
                assert!(self.open.is_empty(), "drained with open requests");
                self.drained = true;
            }
        }
    }

    fn check_cancel(&mut self, worker: WorkerId, job: JobId) {
        let worker = self.workers.get_mut(&worker).expect("a live worker");
        let mark = worker.jobs.get_mut(&job).expect("a running job");
        let was = std::mem::replace(mark, Mark::Cancelled);
        assert!(was == Mark::Runs, "cancelled once, and never a brief one");
    }

    fn check_stop(&mut self, worker: WorkerId) {
        let worker = self.workers.get_mut(&worker).expect("a live worker");
        assert!(worker.jobs.is_empty(), "stopped while it runs");
        assert!(!worker.stopping, "stopped once");
        worker.stopping = true;
    }

    fn check_submit(&mut self, worker: WorkerId, ticket: Ticket, job: JobId) {
        let task = self.open.get(&ticket).expect("submitted after its end");
        let crew = self.workers.get_mut(&worker).expect("submitted to a live worker");
        assert!(!crew.stopping, "submitted to a worker that ends");
        let generates = matches!(task, Task::Generate(_));
        crew.jobs.insert(job, if generates { Mark::Runs } else { Mark::Brief });
        let generating = crew.jobs.values().filter(|&&mark| mark != Mark::Brief).count();
        assert!(generating <= crew.slots, "more jobs than slots");
    }
}
