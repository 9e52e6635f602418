//! What a serving worker answers.

use serde::{Deserialize, Serialize};

use super::{BadRecord, at_most, text_fits};
use crate::{
    client::event::FinishReason,
    code::Code,
    ids::JobId,
    limits::{
        FRAGMENT_BYTES_MAX, LOGPROBS_MAX, SLOTS_MAX, STEP_TEXT_BYTES_MAX, WORKER_TEXT_BYTES_MAX,
    },
};

/// A generating job's prompt was tokenized and fits; it holds a slot from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The job.
    pub job: JobId,
    /// Tokens of its prompt.
    pub prompt_tokens: u32,
    /// How many of them needed no computing.
    pub cached_tokens: u32,
}

/// One step of the engine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Counts up by one; the broker refuses anything else.
    pub step: u64,
    /// At most one token for each running sequence.
    pub tokens: Vec<StepToken>,
    /// Jobs that ended with this step; their last token, if any, stands above.
    pub ended: Vec<Ended>,
    /// Jobs that were given up with this step, because the broker asked or no cell was left for
    /// them; they continue when they come again.
    pub parked: Vec<JobId>,
}

/// A token for one job.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct StepToken {
    /// The job.
    pub job: JobId,
    /// Its id.
    pub token: u32,
    /// Text that became complete with it.
    pub text: String,
    /// The natural logarithm of its probability in the model's own distribution (the softmax of
    /// the raw logits), where asked for.
    pub logprob: Option<f32>,
    /// The likeliest tokens at its place with theirs, likeliest first; as many as were asked for,
    /// or fewer where the model itself forbids the others.
    pub top: Vec<(u32, f32)>,
}

// A token is what somebody said; its debug form never shows it.
impl std::fmt::Debug for StepToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StepToken({}, ..)", self.job)
    }
}

/// A job came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The job.
    pub job: JobId,
    /// Why.
    pub reason: FinishReason,
    /// Microseconds from its start to its first token.
    pub prefill_us: u64,
    /// Microseconds from there to its end.
    pub decode_us: u64,
}

impl Step {
    pub(super) fn check(&self) -> Result<(), BadRecord> {
        at_most("tokens of a step", self.tokens.len(), SLOTS_MAX as usize)?;
        at_most("ends of a step", self.ended.len(), SLOTS_MAX as usize)?;
        at_most("parked jobs of a step", self.parked.len(), SLOTS_MAX as usize)?;
        self.tokens.iter().try_for_each(|token| {
            at_most("text of a token", token.text.len(), STEP_TEXT_BYTES_MAX)?;
            at_most("alternatives of a token", token.top.len(), LOGPROBS_MAX as usize)?;
            let mut logprobs = token.top.iter().map(|&(_, value)| value).chain(token.logprob);
            match logprobs.all(f32::is_finite) {
                true => Ok(()),
                false => Err(BadRecord::Number { what: "logprob" }),
            }
        })
    }
}

/// A piece of a long answer: tokens of a text, or text of tokens.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    /// The job.
    pub job: JobId,
    /// Where the piece starts.
    pub offset: u32,
    /// Whether it is the last.
    pub last: bool,
    /// The piece, at most [`FRAGMENT_BYTES_MAX`] bytes.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Chunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chunk({} at {}, {} bytes)", self.job, self.offset, self.bytes.len())
    }
}

impl Chunk {
    pub(super) fn check(&self) -> Result<(), BadRecord> {
        at_most("bytes of a chunk", self.bytes.len(), FRAGMENT_BYTES_MAX)
    }
}

/// A job ends in an error, and nothing else does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The job.
    pub job: JobId,
    /// Which code the client gets.
    pub code: Code,
    /// A sentence that names the value and the limit.
    pub message: String,
}

impl Refused {
    /// The refusal as a record, its sentence cut to what a record may carry.
    pub fn new(job: JobId, code: Code, message: &str) -> Self {
        let message: String =
            message.chars().filter(|c| !c.is_control()).take(WORKER_TEXT_BYTES_MAX / 4).collect();
        debug_assert!(text_fits("refusal", &message).is_ok(), "a character has at most 4 bytes");
        Self { job, code, message }
    }
}
