//! Tokens for one step: plain vectors, lent to the engine for the length of a call.

use llama_cpp_2::token::LlamaToken;
use llama_cpp_sys_2 as sys;
use thiserror::Error;

/// The batch has no room for another token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the batch is full; it was made for fewer tokens than the step has")]
pub(crate) struct BatchFull;

/// Tokens with their places; each belongs to one sequence.
#[derive(Debug)]
pub(crate) struct Batch {
    most: usize,
    tokens: Vec<i32>,
    positions: Vec<i32>,
    /// How many sequences each token belongs to: one.
    counts: Vec<i32>,
    sequences: Vec<i32>,
    outputs: Vec<i8>,
}

impl Batch {
    /// A batch for at most `most` tokens.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            tokens: Vec::with_capacity(most),
            positions: Vec::with_capacity(most),
            counts: Vec::with_capacity(most),
            sequences: Vec::with_capacity(most),
            outputs: Vec::with_capacity(most),
        }
    }

    /// Empties it.
    pub(crate) fn clear(&mut self) {
        self.tokens.clear();
        self.positions.clear();
        self.counts.clear();
        self.sequences.clear();
        self.outputs.clear();
    }

    /// Adds a token of `sequence` at `position`, without an output.
    ///
    /// # Errors
    /// [`BatchFull`].
    pub(crate) fn add(
        &mut self,
        LlamaToken(token): LlamaToken,
        position: i32,
        sequence: i32,
    ) -> Result<(), BatchFull> {
        if self.tokens.len() >= self.most {
            return Err(BatchFull);
        }
        self.tokens.push(token);
        self.positions.push(position);
        self.counts.push(1);
        self.sequences.push(sequence);
        self.outputs.push(0);
        Ok(())
    }

    /// Asks for an output of the token that was added last; answers its row, if there is a token.
    pub(crate) fn want_output(&mut self) -> Option<i32> {
        *self.outputs.last_mut()? = 1;
        i32::try_from(self.outputs.len() - 1).ok()
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// How many outputs are wanted.
    pub(super) fn outputs(&self) -> usize {
        self.outputs.iter().filter(|wanted| **wanted != 0).count()
    }

    /// Whether each token belongs to a sequence of `count`, and lies in `0..vocabulary`.
    pub(super) fn fits(&self, count: u32, vocabulary: i32) -> bool {
        let sequence = |id: &i32| u32::try_from(*id).is_ok_and(|id| id < count);
        self.sequences.iter().all(sequence)
            && self.positions.iter().all(|at| *at >= 0)
            && self.tokens.iter().all(|token| (0..vocabulary).contains(token))
    }

    /// The batch as the engine takes it, which may be used until `self` or `places` changes.
    pub(super) fn lend(&mut self, places: &mut Vec<*mut i32>) -> sys::llama_batch {
        places.clear();
        places.extend(self.sequences.iter_mut().map(std::ptr::from_mut));
        sys::llama_batch {
            // Never more than `most`, which came from a u32; a negative number is refused.
            n_tokens: i32::try_from(self.tokens.len()).unwrap_or(-1),
            token: self.tokens.as_mut_ptr(),
            embd: std::ptr::null_mut(),
            pos: self.positions.as_mut_ptr(),
            n_seq_id: self.counts.as_mut_ptr(),
            seq_id: places.as_mut_ptr(),
            logits: self.outputs.as_mut_ptr(),
        }
    }
}
