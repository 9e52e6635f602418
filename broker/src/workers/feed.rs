//! Jobs on their way to a worker, no faster than it reads.
//!
//! A job's head and the fragments of its prompt follow each other without a gap, so there is one
//! queue and its front is what the ring waits for. What waits here is bounded by what was admitted:
//! one prompt for each slot, a few brief jobs, and a cancel and a park for each.

use std::{collections::VecDeque, fmt, rc::Rc};

use core_ring::{JobSender, PushError, Space};
use core_wire::{
    codec,
    ids::JobId,
    limits::FRAGMENT_BYTES_MAX,
    worker::{Fragment, Job, ToWorker},
};

use super::link::Breach;
use crate::memory::Charge;

/// Bytes of a fragment's record beside its piece: job, offset and length, each nine at most.
const FRAGMENT_EXTRA: usize = 27;

/// An encoded `client::Prompt`, or a saved sequence, that is held for as long as its request may
/// need it.
pub(crate) struct Held {
    bytes: Vec<u8>,
    _charge: Charge,
}

impl Held {
    /// A prompt with what keeps its bytes out of the budget.
    pub(crate) fn new(bytes: Vec<u8>, charge: Charge) -> Self {
        Self { bytes, _charge: charge }
    }

    /// Whether another holds the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({} bytes)", self.bytes.len())
    }
}

/// What waits for space in ring B.
#[derive(Debug)]
pub(crate) struct Feed {
    ring: JobSender,
    waiting: VecDeque<Item>,
}

enum Item {
    /// A record by itself.
    Record(u8, Vec<u8>),
    /// The rest of a payload, behind its job's head.
    Payload { job: JobId, payload: Payload, sent: usize },
}

// A record may hold a grammar, and a payload is a prompt.
impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(kind, _) => write!(f, "Record({kind})"),
            Self::Payload { job, .. } => write!(f, "Payload({job})"),
        }
    }
}

/// An encoded `worker::Payload`: the fields of a message follow one another, so the prompt is not
/// decoded to put other tokens behind it. Or a saved sequence, with nothing behind it.
struct Payload {
    prompt: Rc<Held>,
    /// The encoded tokens that the request has got.
    emitted: Vec<u8>,
}

impl Payload {
    fn len(&self) -> usize {
        self.prompt.bytes.len() + self.emitted.len()
    }

    /// The bytes from one offset to another.
    fn piece(&self, from: usize, to: usize) -> Vec<u8> {
        let border = self.prompt.bytes.len();
        let prompt = self.prompt.bytes.get(from.min(border)..to.min(border));
        let emitted = self.emitted.get(from.max(border) - border..to.max(border) - border);
        [prompt.unwrap_or_default(), emitted.unwrap_or_default()].concat()
    }
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

    /// Queues a job with its prompt and the tokens that its request has got; how long they are
    /// together is filled in here.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub(crate) fn push_job(
        &mut self,
        head: Job,
        prompt: &Rc<Held>,
        emitted: &[u32],
    ) -> Result<(), Breach> {
        let emitted = codec::encode(&emitted).map_err(|_| Breach::Encode)?;
        self.push_payload(head, Payload { prompt: prompt.clone(), emitted })
    }

    /// Queues a job with a saved sequence, which is sent as it is.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub(crate) fn push_state(&mut self, head: Job, state: &Rc<Held>) -> Result<(), Breach> {
        self.push_payload(head, Payload { prompt: state.clone(), emitted: Vec::new() })
    }

    fn push_payload(&mut self, head: Job, payload: Payload) -> Result<(), Breach> {
        let prompt_bytes = u32::try_from(payload.len()).map_err(|_| Breach::Encode)?;
        let job = head.job;
        self.push(&ToWorker::Job(Job { prompt_bytes, ..head }))?;
        self.waiting.push_back(Item::Payload { job, payload, sent: 0 });
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
            Self::Payload { payload, sent, .. } if *sent == payload.len() => Ok(Progress::Whole),
            Self::Payload { job, payload, sent } => {
                let end = payload.len().min(*sent + FRAGMENT_BYTES_MAX);
                let needed = end - *sent + FRAGMENT_EXTRA;
                if ring.free_bytes() < needed + 2 * size_of::<u64>() {
                    // Also asked of a poisoned ring, which answers with its violation.
                    return Ok(Progress::Blocked { payload_bytes: needed });
                }
                let offset = u32::try_from(*sent).map_err(|_| Breach::Encode)?;
                let fragment = Fragment { job: *job, offset, bytes: payload.piece(*sent, end) };
                let (kind, payload) =
                    ToWorker::Fragment(fragment).encode().map_err(|_| Breach::Encode)?;
                ring.push(kind, &payload)?;
                *sent = end;
                Ok(Progress::Part)
            }
        }
    }
}
