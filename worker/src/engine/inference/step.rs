//! One step: compose, decode, choose, publish.

use std::time::Instant;

use core_wire::{
    code::{Code, Refusal},
    worker::{Ended, StepToken},
};

use super::Inference;
use crate::{
    engine::{
        batch::{self, Want},
        pace::Load,
        sampling::{NoChoice, Picked},
        sequence::{Aim, Chosen, Outcome, Sequence},
    },
    fault::Fault,
    llama::context::DecodeError,
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

    /// Computes one batch, whatever has to give way for it.
    fn compute(&mut self) -> Result<(), Fault> {
        let mut most = self.plan.n_batch;
        // Ends: each round but the last gives cells back, halves the slice, or ends a request.
        while !self.running.is_empty() {
            self.make_room()?;
            let began = Instant::now();
            let (shares, load) = self.compose(most)?;
            match self.context.decode(&mut self.batch) {
                Ok(()) => {
                    // The call returns when everything is computed: no device works behind it.
                    self.pace.took(load, began.elapsed());
                    let fed = self.running.iter_mut().zip(shares);
                    fed.for_each(|(sequence, count)| sequence.fed(count));
                    return Ok(());
                }
                Err(DecodeError::NoCell) => most = self.after_no_cell(load, most)?,
                Err(_) => return Err(Fault::Engine { what: "decode" }),
            }
        }
        Ok(())
    }

    /// Gives way where the engine finds no cells although they were counted; answers how many
    /// tokens the next try may have.
    fn after_no_cell(&mut self, load: Load, most: u32) -> Result<u32, Fault> {
        if self.yield_cells()? {
            return Ok(most);
        }
        if load.slice > 1 {
            return Ok(load.decoding + load.slice / 2);
        }
        self.give_up_last()?;
        Ok(most)
    }

    /// Fills the batch with at most `most` tokens; answers how many of each sequence are in it.
    fn compose(&mut self, most: u32) -> Result<(Vec<u32>, Load), Fault> {
        let wants: Vec<_> = self.running.iter().map(Sequence::want).collect();
        let Load { decoding, slice, depth } = self.wanted(&wants);
        let most = slice.min(most.saturating_sub(decoding));
        let slice = if most == 0 { 0 } else { self.pace.slice(decoding, depth, most) };
        let shares = batch::share(&wants, decoding + slice, self.turn);
        self.batch.clear();
        for (at, &count) in shares.iter().enumerate() {
            self.fill(at, count)?;
        }
        Ok((shares, Load { decoding, slice, depth }))
    }

    /// All that the sequences could put into a step.
    fn wanted(&self, wants: &[Want]) -> Load {
        let mut load = Load { decoding: 0, slice: 0, depth: 0 };
        let (mut deep, mut prompts) = (0_u64, 0_u64);
        for (sequence, want) in self.running.iter().zip(wants) {
            match want {
                Want::Decode => load.decoding += 1,
                Want::Prefill(rest) => {
                    load.slice = load.slice.saturating_add(*rest);
                    deep += u64::from(sequence.cached());
                    prompts += 1;
                }
            }
        }
        load.depth = u32::try_from(deep.checked_div(prompts).unwrap_or(0)).unwrap_or(u32::MAX);
        load
    }

    /// Puts `count` tokens of the sequence at `at` into the batch.
    fn fill(&mut self, at: usize, count: u32) -> Result<(), Fault> {
        let sequence = &mut self.running[at];
        let whole = sequence.is_whole_after(count) && sequence.aim == Aim::Answer;
        let (tokens, first) = sequence.feed(count);
        for (position, token) in (first..).zip(tokens) {
            let position = i32::try_from(position).unwrap_or(i32::MAX);
            let added = self.batch.add(*token, position, sequence.slot.id());
            added.map_err(|_| Fault::Engine { what: "batch" })?;
        }
        sequence.row = if whole { self.batch.want_output() } else { None };
        Ok(())
    }

    /// Chooses the next token of the sequence at `at`, if the step computed its logits.
    fn choose(
        &mut self,
        at: usize,
        tokens: &mut Vec<StepToken>,
        ended: &mut Vec<Ended>,
    ) -> Result<(), Fault> {
        let Some(row) = self.running[at].row.take() else {
            return self.publish(at);
        };
        match self.next_token(at, row) {
            Ok(outcome) => {
                tokens.extend(outcome.token);
                if let Some(reason) = outcome.finish {
                    ended.push(self.running[at].ended(reason));
                    self.retire(at, None)?;
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
        let missing = || Refusal::new(Code::Internal, "the engine computed nothing to choose from");
        let logits = self.context.logits(row).ok_or_else(missing)?;
        let position = sequence.length();
        let Picked { token, standing, logprobs } = sequence
            .sampler
            .choose(logits, position, &mut self.candidates)
            .map_err(NoChoice::refusal)?;
        self.piece.clear();
        self.desk.tokenizer.piece(token, &mut self.piece);
        let ends = self.desk.tokenizer.ends(token);
        let chosen = Chosen { token, piece: &self.piece, ends, standing, logprobs };
        sequence.advance(&chosen).map_err(|bytes| {
            let message =
                format!("a token of this model shows as {bytes} bytes, which is too long");
            Refusal::new(Code::Internal, message)
        })
    }
}
