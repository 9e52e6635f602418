//! One step: compose, decode, choose, publish.

use std::time::Instant;

use core_wire::{
    code::{Code, Refusal},
    worker::{Ended, StepToken},
};
use llama_cpp_2::DecodeError;

use super::Inference;
use crate::{
    engine::{
        batch::{self, Want},
        sequence::{Chosen, Outcome, Sequence},
    },
    fault::Fault,
};

impl Inference<'_> {
    /// Computes one batch, chooses, and tells the broker.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn step(&mut self) -> Result<(), Fault> {
        self.compute()?;
        let mut tokens = Vec::with_capacity(self.running.len());
        let mut ended = Vec::new();
        for at in (0..self.running.len()).rev() {
            self.choose(at, &mut tokens, &mut ended)?;
        }
        self.desk.publish(tokens, ended)
    }

    /// Computes one batch. Where the cache is exhausted the request that came last is given up, so
    /// that never more than one pays for it.
    fn compute(&mut self) -> Result<(), Fault> {
        while !self.running.is_empty() {
            let began = Instant::now();
            let (shares, decoding) = self.compose()?;
            match self.context.decode(&mut self.batch) {
                Ok(()) => {
                    let slice = shares.iter().sum::<u32>() - decoding;
                    self.pace.took(decoding, slice, began.elapsed());
                    let fed = self.running.iter_mut().zip(shares);
                    fed.for_each(|(sequence, count)| sequence.fed(count));
                    return Ok(());
                }
                Err(DecodeError::NoKvCacheSlot) => self.give_up_last()?,
                Err(_) => return Err(Fault::Engine { what: "decode" }),
            }
        }
        Ok(())
    }

    /// Fills the batch; answers how many tokens of each sequence are in it, and how many of the
    /// sequences decode.
    fn compose(&mut self) -> Result<(Vec<u32>, u32), Fault> {
        let wants: Vec<_> = self.running.iter().map(Sequence::want).collect();
        let decoding = wants.iter().filter(|want| **want == Want::Decode).count();
        let decoding = u32::try_from(decoding).unwrap_or(u32::MAX);
        let tokens = self.pace.step_tokens(decoding, self.plan.n_batch);
        let shares = batch::share(&wants, tokens, self.turn);
        self.batch.clear();
        for (sequence, &count) in self.running.iter_mut().zip(&shares) {
            let whole = sequence.is_whole_after(count);
            let (tokens, first) = sequence.feed(count);
            let last = tokens.len();
            for (position, (token, nth)) in (first..).zip(tokens.iter().zip(1..)) {
                let position = i32::try_from(position).unwrap_or(i32::MAX);
                let wanted = whole && nth == last;
                let added = self.batch.add(*token, position, &[sequence.slot.id()], wanted);
                added.map_err(|_| Fault::Engine { what: "batch" })?;
            }
            sequence.row = whole.then(|| self.batch.n_tokens() - 1);
        }
        Ok((shares, decoding))
    }

    /// Chooses the next token of the sequence at `at`, if the step computed its logits.
    fn choose(
        &mut self,
        at: usize,
        tokens: &mut Vec<StepToken>,
        ended: &mut Vec<Ended>,
    ) -> Result<(), Fault> {
        let Some(row) = self.running[at].row.take() else {
            return Ok(());
        };
        match self.next_token(at, row) {
            Ok(outcome) => {
                tokens.extend(outcome.token);
                if let Some(reason) = outcome.finish {
                    ended.push(self.running[at].ended(reason));
                    self.release(at)?;
                }
                Ok(())
            }
            Err(refusal) => {
                let job = self.running[at].job;
                self.release(at)?;
                self.desk.refuse(job, &refusal)
            }
        }
    }

    fn next_token(&mut self, at: usize, row: i32) -> Result<Outcome, Refusal> {
        let sequence = &mut self.running[at];
        let logits = self.context.get_logits_ith(row);
        let position = sequence.length();
        let token = sequence
            .sampler
            .choose(logits, position, &mut self.candidates)
            .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        self.piece.clear();
        self.desk.tokenizer.piece(token, &mut self.piece);
        let chosen = Chosen { token, piece: &self.piece, ends: self.desk.tokenizer.ends(token) };
        sequence.advance(&chosen).map_err(|bytes| {
            let message =
                format!("a token of this model shows as {bytes} bytes, which is too long");
            Refusal::new(Code::Internal, message)
        })
    }

    fn give_up_last(&mut self) -> Result<(), Fault> {
        let Some(last) = self.running.last() else {
            return Ok(());
        };
        let job = last.job;
        self.release(self.running.len() - 1)?;
        let message = "the KV cache has no cell left for this request";
        self.desk.refuse(job, &Refusal::new(Code::Memory, message))
    }
}
