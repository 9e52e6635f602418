//! Jobs on their way to a worker, no faster than it reads.
//!
//! A job's head and the fragments of its prompt follow each other without a gap, so there is one
//! queue and its front is what the ring waits for. What waits here is bounded by what was admitted:
//! one prompt for each slot, a few brief jobs, and one cancel for each.

use std::collections::VecDeque;

use core_ring::{JobSender, PushError, Space};
use core_wire::{
    client::Priority,
    ids::JobId,
    limits::FRAGMENT_BYTES_MAX,
    worker::{Fragment, Job, JobKind, ToWorker},
};

use super::link::Breach;
use crate::memory::Charge;

/// Bytes of a fragment's record beside its piece: job, offset and length, each nine at most.
const FRAGMENT_EXTRA: usize = 27;

/// What waits for space in ring B.
#[derive(Debug)]
pub(crate) struct Feed {
    ring: JobSender,
    waiting: VecDeque<Item>,
}

#[derive(Debug)]
enum Item {
    /// A record by itself.
    Record(u8, Vec<u8>),
    /// The rest of a prompt, behind its job's head; it counts as held until it has left.
    Prompt { job: JobId, bytes: Vec<u8>, sent: usize, _charge: Charge },
}

impl Feed {
    pub(crate) fn new(ring: JobSender) -> Self {
        Self { ring, waiting: VecDeque::new() }
    }

    /// Queues a record; [`Self::flush`] sends it.
    ///
    /// # Errors
    /// [`Breach`] for a record that cannot be written, which is our own fault and ends the worker.
    pub(crate) fn push(&mut self, record: &ToWorker) -> Result<(), Breach> {
        let (kind, payload) = record.encode().map_err(|_| Breach::Encode)?;
        self.waiting.push_back(Item::Record(kind, payload));
        Ok(())
    }

    /// Queues a job with its prompt, an encoded `client::Prompt`.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub(crate) fn push_job(
        &mut self,
        job: JobId,
        kind: JobKind,
        prompt: Vec<u8>,
        charge: Charge,
    ) -> Result<(), Breach> {
        let prompt_bytes = u32::try_from(prompt.len()).map_err(|_| Breach::Encode)?;
        self.push(&ToWorker::Job(Job {
            job,
            kind,
            class: Priority::Normal,
            reuse: None,
            prompt_bytes,
        }))?;
        self.waiting.push_back(Item::Prompt { job, bytes: prompt, sent: 0, _charge: charge });
        Ok(())
    }

    /// Whether something waits for space.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Sends what fits now. When something is left the worker rings once there is space.
    ///
    /// # Errors
    /// [`Breach::Ring`] when the worker lied about what it has read.
    pub(crate) fn flush(&mut self) -> Result<(), Breach> {
        while let Some(item) = self.waiting.front_mut() {
            match item.send(&mut self.ring)? {
                Progress::Whole => drop(self.waiting.pop_front()),
                Progress::Part => {}
                Progress::Blocked { payload_bytes } => {
                    if let Space::Later = self.ring.want_space(payload_bytes)? {
                        return Ok(());
                    }
                }
            }
        }
        self.ring.publish();
        Ok(())
    }
}

/// How far one push came.
enum Progress {
    Whole,
    Part,
    Blocked { payload_bytes: usize },
}

impl Item {
    fn send(&mut self, ring: &mut JobSender) -> Result<Progress, Breach> {
        match self {
            Self::Record(kind, payload) => match ring.push(*kind, payload) {
                Ok(()) => Ok(Progress::Whole),
                Err(PushError::Full { .. }) => {
                    Ok(Progress::Blocked { payload_bytes: payload.len() })
                }
                Err(error) => Err(error.into()),
            },
            Self::Prompt { bytes, sent, .. } if *sent == bytes.len() => Ok(Progress::Whole),
            Self::Prompt { job, bytes, sent, .. } => {
                let end = bytes.len().min(*sent + FRAGMENT_BYTES_MAX);
                let piece = bytes.get(*sent..end).unwrap_or_default();
                let needed = piece.len() + FRAGMENT_EXTRA;
                if ring.free_bytes() < needed + 2 * size_of::<u64>() {
                    // Also asked of a poisoned ring, which answers with its violation.
                    return Ok(Progress::Blocked { payload_bytes: needed });
                }
                let offset = u32::try_from(*sent).map_err(|_| Breach::Encode)?;
                let fragment = Fragment { job: *job, offset, bytes: piece.to_vec() };
                let (kind, payload) =
                    ToWorker::Fragment(fragment).encode().map_err(|_| Breach::Encode)?;
                ring.push(kind, &payload)?;
                *sent = end;
                Ok(Progress::Part)
            }
        }
    }
}
