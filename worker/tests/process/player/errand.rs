//! A job as the broker would send it.

use core_wire::{
    client::{Priority, Prompt},
    codec,
    ids::{DomainId, JobId},
    limits::FRAGMENT_BYTES_MAX,
    worker::{Fragment, Job, JobKind, Payload, Sampling, ToWorker},
};

use super::Worker;

/// All that a head and its fragments say.
#[derive(Clone)]
pub(crate) struct Errand {
    pub(crate) kind: JobKind,
    pub(crate) class: Priority,
    pub(crate) reuse: Option<JobId>,
    pub(crate) domain: Option<DomainId>,
    pub(crate) bytes: Vec<u8>,
}

impl Errand {
    /// Nobody's, of no special class.
    pub(crate) fn of(kind: JobKind, payload: &Payload) -> Self {
        let bytes = codec::encode(payload).unwrap();
        Self { kind, class: Priority::Normal, reuse: None, domain: None, bytes }
    }

    /// Continues tokens for a domain.
    pub(crate) fn generate(domain: Option<DomainId>, tokens: &[u32], sampling: Sampling) -> Self {
        let prompt = Prompt::Tokens(tokens.to_vec());
        let payload = Payload { prompt, emitted: Vec::new() };
        Self { domain, ..Self::of(JobKind::Generate(Box::new(sampling)), &payload) }
    }
}

impl Worker {
    /// Sends a job.
    pub(crate) fn submit(&mut self, errand: Errand) -> JobId {
        let job = JobId(self.next_job);
        self.next_job += 1;
        let Errand { kind, class, reuse, domain, bytes } = errand;
        let prompt_bytes = u32::try_from(bytes.len()).unwrap();
        self.tell(&ToWorker::Job(Job { job, kind, class, reuse, domain, prompt_bytes }));
        for (index, piece) in bytes.chunks(FRAGMENT_BYTES_MAX).enumerate() {
            self.tell(&ToWorker::Fragment(Fragment {
                job,
                offset: u32::try_from(index * FRAGMENT_BYTES_MAX).unwrap(),
                bytes: piece.to_vec(),
            }));
        }
        job
    }
}
