//! One request on its way: its prompt, then one token after the other.

#[cfg(test)]
mod tests;

use std::time::Instant;

use core_wire::{
    client::event::FinishReason,
    ids::JobId,
    limits::STEP_TEXT_BYTES_MAX,
    worker::{Ended, Sampling, StepToken, job::EndOfGeneration},
};
use llama_cpp_2::token::LlamaToken;

use crate::{
    context::pool::Slot,
    engine::{
        batch::Want,
        sampling::Sampler,
        streaming::{Flow, TextStream},
    },
};

/// A request that was tokenized and found to fit.
pub(crate) struct Prepared {
    /// The job.
    pub(crate) job: JobId,
    /// Its prompt; at least one token, and fewer than the context holds.
    pub(crate) prompt: Vec<LlamaToken>,
    /// How its tokens are chosen.
    pub(crate) sampling: Sampling,
}

/// What came of a chosen token.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    /// What the client gets.
    pub(crate) token: Option<StepToken>,
    /// Why it was the last, if it was.
    pub(crate) finish: Option<FinishReason>,
}

/// What the vocabulary says of a chosen token.
pub(crate) struct Chosen<'a> {
    /// Its id.
    pub(crate) token: LlamaToken,
    /// The bytes with which it shows.
    pub(crate) piece: &'a [u8],
    /// Whether it ends an answer.
    pub(crate) ends: bool,
}

/// Where a sequence stands.
enum Phase {
    /// So many tokens of its prompt are in the KV cache.
    Prefill(usize),
    /// This token was chosen and is not in the KV cache yet.
    Decode(LlamaToken),
}

/// A request that holds a slot.
pub(crate) struct Sequence {
    /// The job.
    pub(crate) job: JobId,
    /// Its place in the KV cache.
    pub(crate) slot: Slot,
    /// How its tokens are chosen.
    pub(crate) sampler: Sampler,
    /// The row of the batch in whose logits its next token is, if the step made one.
    pub(crate) row: Option<i32>,
    prompt: Vec<LlamaToken>,
    phase: Phase,
    /// Tokens of the prompt and of the answer so far.
    length: u32,
    length_max: u32,
    emitted: u32,
    max_tokens: u32,
    end: EndOfGeneration,
    text: TextStream,
    began: Instant,
    first: Option<Instant>,
}

impl Sequence {
    /// Starts `prepared` in `slot`; it ends when it is `length_max` tokens long.
    pub(crate) fn new(prepared: Prepared, slot: Slot, length_max: u32) -> Self {
        let sampler = Sampler::new(&prepared.sampling);
        Self {
            job: prepared.job,
            slot,
            sampler,
            row: None,
            // A prompt is shorter than the context, whose length is a u32.
            length: u32::try_from(prepared.prompt.len()).unwrap_or(u32::MAX),
            prompt: prepared.prompt,
            phase: Phase::Prefill(0),
            length_max,
            emitted: 0,
            max_tokens: prepared.sampling.max_tokens,
            end: prepared.sampling.end,
            text: TextStream::new(prepared.sampling.stop),
            began: Instant::now(),
            first: None,
        }
    }

    /// Tokens so far; also the position of the next one to be chosen.
    pub(crate) fn length(&self) -> u32 {
        self.length
    }

    /// What it could put into the next step.
    pub(crate) fn want(&self) -> Want {
        match self.phase {
            Phase::Prefill(fed) => {
                let rest = self.prompt.len() - fed;
                Want::Prefill(u32::try_from(rest).unwrap_or(u32::MAX))
            }
            Phase::Decode(_) => Want::Decode,
        }
    }

    /// The next `count` tokens for the KV cache with the position of the first.
    pub(crate) fn feed(&self, count: u32) -> (&[LlamaToken], u32) {
        match &self.phase {
            Phase::Prefill(fed) => {
                let end = self.prompt.len().min(fed + count as usize);
                (&self.prompt[*fed..end], u32::try_from(*fed).unwrap_or(u32::MAX))
            }
            Phase::Decode(token) => {
                let token = std::slice::from_ref(token);
                (&token[..token.len().min(count as usize)], self.length - 1)
            }
        }
    }

    /// Whether `count` more tokens make a choice possible: the prompt's last or a decoded one.
    pub(crate) fn is_whole_after(&self, count: u32) -> bool {
        match self.want() {
            Want::Decode => count > 0,
            Want::Prefill(rest) => count == rest,
        }
    }

    /// Notes that `count` tokens of the prompt are in the KV cache.
    pub(crate) fn fed(&mut self, count: u32) {
        if let Phase::Prefill(fed) = &mut self.phase {
            *fed += count as usize;
        }
    }

    /// Takes a chosen token in.
    ///
    /// # Errors
    /// Bytes of text that are more than one token may show: a vocabulary that is not sane.
    pub(crate) fn advance(&mut self, chosen: &Chosen<'_>) -> Result<Outcome, usize> {
        self.first.get_or_insert_with(Instant::now);
        if chosen.ends && self.end == EndOfGeneration::Stops {
            return Ok(self.end_of_generation(chosen.token));
        }
        self.length += 1;
        self.emitted += 1;
        self.prompt = Vec::new();
        self.phase = Phase::Decode(chosen.token);
        let full = self.emitted >= self.max_tokens || self.length >= self.length_max;
        let (text, finish) = match self.text.push(chosen.piece) {
            Flow::Stopped(text) => (text, Some(FinishReason::Stop)),
            Flow::More(text) if full => (text + &self.text.finish(), Some(FinishReason::Length)),
            Flow::More(text) => (text, None),
        };
        if text.len() > STEP_TEXT_BYTES_MAX {
            return Err(text.len());
        }
        Ok(self.outcome(chosen.token, text, finish))
    }

    /// The end as the broker is told.
    pub(crate) fn ended(&self, reason: FinishReason) -> Ended {
        let now = Instant::now();
        let first = self.first.unwrap_or(now);
        let micros = |from, to: Instant| {
            let passed = to.saturating_duration_since(from).as_micros();
            u64::try_from(passed).unwrap_or(u64::MAX)
        };
        Ended {
            job: self.job,
            reason,
            prefill_us: micros(self.began, first),
            decode_us: micros(first, now),
        }
    }

    /// Ends at a token that is not shown, unless text waits that needs a token to come with.
    fn end_of_generation(&mut self, token: LlamaToken) -> Outcome {
        if self.text.is_holding() {
            let text = self.text.finish();
            return self.outcome(token, text, Some(FinishReason::Stop));
        }
        Outcome { token: None, finish: Some(FinishReason::Stop) }
    }

    fn outcome(&self, token: LlamaToken, text: String, finish: Option<FinishReason>) -> Outcome {
        let token = StepToken {
            job: self.job,
            // Chosen among the vocabulary's ids, which start at 0.
            token: u32::try_from(token.0).unwrap_or(u32::MAX),
            text,
            logprob: None,
            top: Vec::new(),
        };
        Outcome { token: Some(token), finish }
    }
}
