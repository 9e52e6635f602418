//! What workers do in a history.

use core_wire::ids::JobId;

use super::world::{Job, Mark, Open, Worker, World, lost, pick};
use crate::scheduler::{End, Event, LineId, Loss, WorkerId, cells::needed};

impl World {
    pub(super) fn job_ends(&mut self, number: u8) {
        let jobs: Vec<_> = self.workers.values().flat_map(|w| w.jobs.keys().copied()).collect();
        let Some(job) = pick(jobs.iter().copied(), number) else {
            return;
        };
        self.vacate(job);
        self.step(Event::JobEnded { job, end: End::Answered });
    }

    /// The world's view of a job that leaves.
    fn vacate(&mut self, job: JobId) -> Option<Job> {
        let mut workers = self.workers.values_mut();
        let crew = workers.find(|crew| crew.jobs.contains_key(&job))?;
        crew.full = false;
        crew.jobs.remove(&job)
    }

    /// A generating job, with its request if that has not ended.
    fn generating(&mut self, number: u8) -> Option<(JobId, &mut Job, Option<&mut Open>)> {
        let jobs = self.workers.values_mut().flat_map(|crew| crew.jobs.iter_mut());
        let jobs: Vec<_> = jobs.filter(|(_, job)| job.mark.takes_slot()).collect();
        let count = jobs.len();
        let (&id, job) =
            jobs.into_iter().nth(usize::from(number).checked_rem(count)?).expect("counted");
        let open = self.open.get_mut(&job.ticket);
        Some((id, job, open))
    }

    pub(super) fn started(&mut self, number: u8, prompt: u32) {
        if let Some((job, seat, Some(open))) = self.generating(number) {
            open.prompt = prompt;
            seat.cells = needed(prompt, open.emitted);
            self.step(Event::Started { job, prompt });
        }
    }

    pub(super) fn grown(&mut self, number: u8, by: u32) {
        if let Some((job, seat, Some(open))) = self.generating(number) {
            open.emitted += by;
            seat.cells = needed(open.prompt, open.emitted);
            let emitted = open.emitted;
            self.step(Event::Grown { job, emitted });
        }
    }

    pub(super) fn parked(&mut self, number: u8) {
        let Some((job, _, _)) = self.generating(number) else {
            return;
        };
        let mut workers = self.workers.values_mut();
        let crew = workers.find(|crew| crew.jobs.contains_key(&job)).expect("it runs");
        let left = crew.jobs.remove(&job).expect("it runs");
        let others = crew.jobs.values().any(|job| job.mark.takes_slot());
        crew.full = left.mark != Mark::Leaves && left.mark != Mark::Cancelled && others;
        if let Some(open) = self.open.get_mut(&left.ticket) {
            (open.job, open.told) = (None, None);
        }
        self.step(Event::Parked { job });
    }

    pub(super) fn worker_dies(&mut self, number: u8) {
        let Some(worker) = pick(self.workers.keys().copied(), number) else {
            return;
        };
        if let Some(dying) = self.workers.get_mut(&worker) {
            // From here on a submission to it fails the check; its jobs may still end.
            dying.stopping = true;
        }
        self.step(Event::Dying(worker));
    }

    pub(super) fn worker_gone(&mut self, number: u8, loss: u8) {
        if let Some(worker) = pick(self.workers.keys().copied(), number) {
            let losses = [Loss::Innocent, Loss::Suspect, Loss::Suspect, Loss::Final];
            self.lose(worker, losses[usize::from(loss)]);
        }
    }

    fn has_lost(&mut self, line: &LineId, ran: bool) {
        let stands_by = |other: &Worker| other.line == *line && other.spare && !other.stopping;
        let replaced = self.workers.values().any(stands_by);
        self.draining.remove(line);
        if replaced || !ran {
            self.held.remove(line);
        }
        if self.spares.get(line) == Some(&false) {
            // What was begun for the spare is for those who wait from now on.
            self.spares.remove(line);
            self.adopts(line, ran);
        } else if ran && !replaced {
            self.rescue.leaving = Some(line.clone());
        }
    }

    /// The world's view of a worker that is lost: what ran there waits again, unless it ends.
    pub(super) fn lose(&mut self, worker: WorkerId, loss: Loss) {
        let crew = self.workers.remove(&worker);
        let ran = crew.as_ref().is_some_and(|crew| !crew.jobs.is_empty());
        let sole = crew.as_ref().is_some_and(|crew| crew.ran.len() == 1);
        for job in crew.iter().flat_map(|crew| crew.jobs.values()) {
            if let Some(open) = self.open.get_mut(&job.ticket) {
                (open.job, open.told) = (None, None);
                open.was_there(loss, sole);
            }
        }
        match crew {
            Some(Worker { line, spare: true, .. }) => self.lost_spare(&line),
            Some(Worker { line, .. }) => self.has_lost(&line, ran),
            None => {}
        }
        self.step(Event::Gone { worker, refusal: lost(), loss });
        let mut open = self.open.values();
        assert!(open.all(Open::may_go_on), "at the third death in a row it is refused");
    }
}
