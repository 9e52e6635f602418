//! One request on its way: its prompt, then one token after the other.

mod prepared;

#[cfg(test)]
mod tests;

use std::time::Instant;

use core_wire::{
    client::{Priority, event::FinishReason},
    ids::{DomainId, JobId},
    limits::STEP_TEXT_BYTES_MAX,
    worker::{Ended, StepToken, job::EndOfGeneration},
};
use llama_cpp_2::token::LlamaToken;

pub(crate) use self::prepared::{Aim, Chosen, Outcome, Prepared};
use crate::{
    context::{
        cache::{Begun, Entry, Live},
        cells::Cells,
        pool::Slot,
        tokens::Tokens,
    },
    engine::{
        batch::Want,
        grammar::Standing,
        sampling::Sampler,
        streaming::{Flow, TextStream},
    },
};

/// Where a sequence stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Tokens that it came with are to be computed.
    Prefill,
    /// The last token was chosen, and it alone is to be computed.
    Decode,
}

/// A request that holds a slot.
pub(crate) struct Sequence {
    /// The job.
    pub(crate) job: JobId,
    /// Who has to give way first.
    pub(crate) class: Priority,
    /// Whose cells it may leave behind, if it may.
    pub(crate) domain: Option<DomainId>,
    /// What it is for.
    pub(crate) aim: Aim,
    /// Its place in the KV cache.
    pub(crate) slot: Slot,
    /// How its tokens are chosen.
    pub(crate) sampler: Sampler,
    /// The row of the batch in whose logits its next token is, if the step made one.
    pub(crate) row: Option<i32>,
    /// Its prompt, and what it got.
    tokens: Tokens,
    prompt: usize,
    /// Cells of its tokens, those that are still to be computed included.
    cells: Cells,
    phase: Phase,
    /// Its tokens that are in the KV cache.
    cached: u32,
    length_max: u32,
    emitted: u32,
    max_tokens: u32,
    end: EndOfGeneration,
    text: TextStream,
    began: Instant,
    first: Option<Instant>,
}

impl Sequence {
    /// Starts `prepared` where the cache has a place for it; it ends when it is `length_max` tokens
    /// long.
    pub(crate) fn new(prepared: Prepared, begun: Begun, length_max: u32) -> Self {
        let emitted = prepared.tokens.len() - prepared.prompt;
        Self {
            job: prepared.job,
            class: prepared.class,
            domain: prepared.domain,
            aim: prepared.aim,
            slot: begun.slot,
            sampler: prepared.sampler,
            row: None,
            prompt: prepared.prompt,
            tokens: prepared.tokens,
            cells: begun.cells,
            phase: Phase::Prefill,
            cached: begun.cached,
            length_max,
            emitted: u32::try_from(emitted).unwrap_or(u32::MAX),
            max_tokens: prepared.sampling.max_tokens,
            end: prepared.sampling.end,
            text: TextStream::new(prepared.sampling.stop),
            began: Instant::now(),
            first: None,
        }
    }

    /// Tokens so far; also the position of the next one to be chosen.
    pub(crate) fn length(&self) -> u32 {
        // Never longer than the context, whose length is a u32.
        u32::try_from(self.tokens.len()).unwrap_or(u32::MAX)
    }

    /// Takes the pieces of what it had got before through the text again, which shows nothing a
    /// second time: what was held back then is held back now.
    pub(crate) fn replay(&mut self, mut piece: impl FnMut(LlamaToken, &mut Vec<u8>)) {
        let mut bytes = Vec::new();
        for &token in &self.tokens[self.prompt..] {
            bytes.clear();
            piece(token, &mut bytes);
            let _shown = self.text.push(&bytes);
        }
    }

    /// What of it others may see.
    pub(crate) fn live(&self) -> Live<'_> {
        Live {
            job: self.job,
            domain: self.domain,
            slot: self.slot.id(),
            tokens: &self.tokens[..self.cached as usize],
            cells: &self.cells,
        }
    }

    /// What stays of it: the tokens that are in the KV cache.
    pub(crate) fn leave(mut self, job: Option<JobId>) -> Entry {
        self.tokens.cut(self.cached);
        Entry {
            job,
            domain: self.domain,
            tokens: self.tokens,
            slot: self.slot,
            cells: self.cells.first(self.cached),
        }
    }

    /// Its tokens that are in the KV cache.
    pub(crate) fn cached(&self) -> u32 {
        self.cached
    }

    /// Whether all of its prompt is in the KV cache.
    pub(crate) fn is_computed(&self) -> bool {
        self.cached == self.length()
    }

    /// What it could put into the next step.
    pub(crate) fn want(&self) -> Want {
        match self.phase {
            Phase::Prefill => Want::Prefill(self.length() - self.cached),
            Phase::Decode => Want::Decode,
        }
    }

    /// The next `count` tokens for the KV cache with the position of the first.
    pub(crate) fn feed(&self, count: u32) -> (&[LlamaToken], u32) {
        let rest = &self.tokens[self.cached as usize..];
        (&rest[..rest.len().min(count as usize)], self.cached)
    }

    /// Whether `count` more tokens make a choice possible: the prompt's last or a decoded one.
    pub(crate) fn is_whole_after(&self, count: u32) -> bool {
        match self.want() {
            Want::Decode => count > 0,
            Want::Prefill(rest) => count == rest,
        }
    }

    /// Notes that its next `count` tokens are in the KV cache.
    pub(crate) fn fed(&mut self, count: u32) {
        self.cached += count;
    }

    /// Takes a chosen token in.
    ///
    /// # Errors
    /// Bytes of text that are more than one token may show: a vocabulary that is not sane.
    pub(crate) fn advance(&mut self, chosen: &Chosen<'_>) -> Result<Outcome, usize> {
        self.first.get_or_insert_with(Instant::now);
        let ends = chosen.ends && self.end == EndOfGeneration::Stops;
        if ends || chosen.standing == Standing::Ended {
            return Ok(self.end_of_generation(chosen));
        }
        self.tokens.push(chosen.token);
        self.cells.grow();
        self.emitted += 1;
        self.phase = Phase::Decode;
        let full = self.emitted >= self.max_tokens || self.length() >= self.length_max;
        let (text, finish) = match self.text.push(chosen.piece) {
            Flow::Stopped(text) => (text, Some(FinishReason::Stop)),
            Flow::More(text) if chosen.standing == Standing::Complete => {
                (text + &self.text.finish(), Some(FinishReason::Stop))
            }
            Flow::More(text) if full => (text + &self.text.finish(), Some(FinishReason::Length)),
            Flow::More(text) => (text, None),
        };
        if text.len() > STEP_TEXT_BYTES_MAX {
            return Err(text.len());
        }
        Ok(self.outcome(chosen, text, finish))
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
    fn end_of_generation(&mut self, chosen: &Chosen<'_>) -> Outcome {
        if self.text.is_holding() {
            let text = self.text.finish();
            return self.outcome(chosen, text, Some(FinishReason::Stop));
        }
        Outcome { token: None, finish: Some(FinishReason::Stop) }
    }

    fn outcome(&self, chosen: &Chosen<'_>, text: String, finish: Option<FinishReason>) -> Outcome {
        let logprobs = chosen.logprobs.clone();
        let token = StepToken {
            job: self.job,
            // Chosen among the vocabulary's ids, which start at 0.
            token: u32::try_from(chosen.token.0).unwrap_or(u32::MAX),
            text,
            logprob: logprobs.as_ref().map(|told| told.chosen),
            top: logprobs.map_or(Vec::new(), |told| told.top),
        };
        Outcome { token: Some(token), finish }
    }
}
