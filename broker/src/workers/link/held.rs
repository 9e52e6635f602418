//! The jobs that a worker holds.

use core_wire::ids::JobId;

use super::{Emitted, Job, Ledger, Want};

impl<L> Ledger<L> {
    /// Notes that a job was given to the worker, with the tokens that its request has got.
    pub(crate) fn submit(&mut self, job: JobId, want: Want, emitted: Emitted, listener: L) {
        self.jobs.insert(job, Job::new(want, emitted, listener));
    }

    pub(crate) fn job_mut(&mut self, job: JobId) -> Option<&mut Job<L>> {
        self.jobs.get_mut(&job)
    }

    /// Forgets a job that is over.
    pub(crate) fn remove(&mut self, job: JobId) -> Option<Job<L>> {
        self.jobs.remove(&job)
    }

    /// Whether it has said a token, or an embedding.
    pub(crate) fn spoke(&self) -> bool {
        self.spoke
    }

    /// Every job that the worker holds, in the order of their numbers; it is forgotten.
    pub(crate) fn take_all(&mut self) -> Vec<(JobId, Job<L>)> {
        let mut jobs: Vec<_> = self.jobs.drain().collect();
        jobs.sort_unstable_by_key(|(job, _)| *job);
        jobs
    }
}
