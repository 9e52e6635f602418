//! Long answers on their way out: tokens of a text, text of tokens, saved contexts.
//!
//! They go out in chunks as ring W has room for them, so that an answer of megabytes never stops
//! the sequences that are being continued.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use core_wire::{
    code::{Code, Refusal},
    ids::JobId,
    limits::{ANSWER_BYTES_MAX, FRAGMENT_BYTES_MAX, STATE_BYTES_MAX},
    worker::{Chunk, ToBroker},
};
use llama_cpp_2::token::LlamaToken;
use zeroize::Zeroize;

use crate::{
    fault::Fault,
    link::{Link, Sent},
};

/// Chunks written between two steps: 256 KiB are copied in less than a tenth of a millisecond.
const CHUNKS_PER_TURN: usize = 4;

/// Answers that may be on their way at once. Each has 16 MiB at most, and the broker reads them
/// within milliseconds; what comes behind them waits as the short prompt that it is.
const ANSWERS_MAX: usize = 4;

/// Bytes from which on memory goes back to the kernel as soon as it is freed, which clears it
/// (`DEFAULT_MMAP_THRESHOLD_MAX` of malloc.c).
const MAPPED_BYTES_MIN: usize = 32 << 20;

/// One answer, and how much of it went out.
struct Answer {
    job: JobId,
    /// What stands before the rest, so that a large rest need not be moved for it.
    head: Vec<u8>,
    bytes: Vec<u8>,
    sent: usize,
    kind: Kind,
}

/// What an answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Tokens, text or numbers.
    Short,
    /// The state of a sequence.
    State,
}

impl Answer {
    /// The next chunk of at most [`FRAGMENT_BYTES_MAX`] bytes; an empty answer is one empty chunk.
    fn chunk(&self) -> Chunk {
        let bytes = self.next();
        Chunk {
            job: self.job,
            // The longest answer is a state, which is bounded far below 4 GiB.
            offset: u32::try_from(self.sent).unwrap_or(u32::MAX),
            last: self.sent + bytes.len() == self.length(),
            bytes: bytes.to_vec(),
        }
    }

    /// The bytes of the next chunk.
    fn next(&self) -> &[u8] {
        let head = self.head.get(self.sent..).unwrap_or_default();
        let rest = if head.is_empty() { &self.bytes[self.sent - self.head.len()..] } else { head };
        &rest[..rest.len().min(FRAGMENT_BYTES_MAX)]
    }

    fn length(&self) -> usize {
        self.head.len() + self.bytes.len()
    }

    /// Notes that the next chunk went out, and overwrites what it was.
    fn advance(&mut self) {
        let (from, count) = (self.sent, self.next().len());
        self.sent += count;
        let part = if from < self.head.len() {
            &mut self.head[from..from + count]
        } else {
            let from = from - self.head.len();
            &mut self.bytes[from..from + count]
        };
        part.zeroize();
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let rest = self.length() - self.sent;
        if rest > 0 && rest < MAPPED_BYTES_MIN {
            self.head.zeroize();
            self.bytes.zeroize();
        }
    }
}

/// Answers that are not wholly written, first come first served.
#[derive(Default)]
pub(crate) struct Answers(VecDeque<Answer>);

impl Answers {
    /// Queues tokens, as little-endian `u32`.
    ///
    /// # Errors
    /// As [`Self::bytes`].
    pub(crate) fn tokens(&mut self, job: JobId, tokens: &[LlamaToken]) -> Result<(), Refusal> {
        let bytes = tokens.iter().flat_map(|token| token.0.to_le_bytes());
        self.bytes(job, bytes.collect())
    }

    /// Queues an embedding, as little-endian `f32`.
    ///
    /// # Errors
    /// As [`Self::bytes`].
    pub(crate) fn floats(&mut self, job: JobId, floats: &[f32]) -> Result<(), Refusal> {
        self.bytes(job, floats.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// Queues bytes.
    ///
    /// # Errors
    /// `PROMPT_TOO_LONG`: more than the broker takes for one answer.
    pub(crate) fn bytes(&mut self, job: JobId, bytes: Vec<u8>) -> Result<(), Refusal> {
        check_length(bytes.len())?;
        let head = Vec::new();
        self.0.push_back(Answer { job, head, bytes, sent: 0, kind: Kind::Short });
        Ok(())
    }

    /// Queues a saved context: its tokens, then the state, which is not copied. The caller has
    /// asked [`Self::has_state`] and [`check_state`] before it made one.
    pub(crate) fn state(&mut self, job: JobId, head: Vec<u8>, bytes: Vec<u8>) {
        self.0.push_back(Answer { job, head, bytes, sent: 0, kind: Kind::State });
    }

    /// Whether a state is on its way: there is memory for one.
    pub(crate) fn has_state(&self) -> bool {
        self.0.iter().any(|answer| answer.kind == Kind::State)
    }

    /// Whether no further answer should be made before one of these went out.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= ANSWERS_MAX
    }

    /// Whether everything went out.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Drops what is left of an answer; tells whether there was one.
    pub(crate) fn remove(&mut self, job: JobId) -> bool {
        let before = self.0.len();
        self.0.retain(|answer| answer.job != job);
        self.0.len() < before
    }

    /// Writes a few chunks as long as there is room, without waiting.
    ///
    /// # Errors
    /// [`Fault`]: ring W is broken.
    pub(crate) fn write_some(&mut self, link: &mut Link) -> Result<(), Fault> {
        for _ in 0..CHUNKS_PER_TURN {
            let Some(chunk) = self.next_chunk() else {
                return Ok(());
            };
            if link.try_say(&ToBroker::Chunk(chunk))? == Sent::NoSpace {
                return Ok(());
            }
            self.advance();
        }
        Ok(())
    }

    /// Writes one chunk, waiting for room; for a worker that has nothing else to do.
    ///
    /// # Errors
    /// [`Fault`]: the broker made no room.
    pub(crate) fn write_one(&mut self, link: &mut Link) -> Result<(), Fault> {
        if let Some(chunk) = self.next_chunk() {
            link.say(&ToBroker::Chunk(chunk))?;
            self.advance();
        }
        Ok(())
    }

    fn next_chunk(&self) -> Option<Chunk> {
        self.0.front().map(Answer::chunk)
    }

    /// Notes that the chunk that [`Self::next_chunk`] answered went out.
    fn advance(&mut self) {
        if let Some(answer) = self.0.front_mut() {
            answer.advance();
            if answer.sent == answer.length() {
                self.0.pop_front();
            }
        }
    }
}

/// Checks that a saved context of `bytes` is one that the broker takes.
///
/// # Errors
/// `MEMORY`.
pub(crate) fn check_state(bytes: usize) -> Result<(), Refusal> {
    if bytes <= STATE_BYTES_MAX {
        return Ok(());
    }
    let message = format!("the context has {bytes} bytes, at most {STATE_BYTES_MAX} can be saved");
    Err(Refusal::new(Code::Memory, message))
}

/// Checks that an answer of `bytes` is one that the broker takes.
///
/// # Errors
/// `PROMPT_TOO_LONG`.
pub(crate) fn check_length(bytes: usize) -> Result<(), Refusal> {
    if bytes <= ANSWER_BYTES_MAX {
        return Ok(());
    }
    let message = format!("the answer has {bytes} bytes or more, at most {ANSWER_BYTES_MAX} fit");
    Err(Refusal::new(Code::PromptTooLong, message))
}
