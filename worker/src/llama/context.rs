//! A context: the KV cache and the buffers for computing.
//!
//! The engine aborts the process where a number is out of its range, so every number is checked
//! here before it is handed over.

use std::{marker::PhantomData, ptr::NonNull, slice};

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_sys_2 as sys;
use thiserror::Error;

pub(crate) use super::shape::{Output, Shape};
use super::{batch::Batch, model::Model};

/// A step could not be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum DecodeError {
    /// The cache has no cells left for it.
    #[error("the KV cache has no cells left for this step")]
    NoCell,
    /// It is not what this context was made for; the engine was not asked.
    #[error("a step that is empty, too long, wants too much, or has a number out of range")]
    Batch,
    /// The engine failed.
    #[error("the engine answered {0} to a step")]
    Engine(i32),
}

/// A sequence cannot be changed like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum SequenceError {
    /// A sequence or a position is out of range; the engine was not asked.
    #[error("a sequence or a position is out of range")]
    Range,
    /// The engine refused: a cache that moves on cannot go back.
    #[error("the engine does not change this sequence so")]
    Engine,
}

/// A context of a model that outlives it.
#[derive(Debug)]
pub(crate) struct Context<'m> {
    raw: NonNull<sys::llama_context>,
    shape: Shape,
    vocabulary: i32,
    width: usize,
    /// Tokens of the last step that was computed.
    rows: usize,
    /// Room for what a batch lends, kept so that a step allocates nothing.
    places: Vec<*mut i32>,
    model: PhantomData<&'m Model>,
}

impl<'m> Context<'m> {
    /// Makes one; `None` where memory is short, or the model cannot be used so.
    pub(crate) fn new(_started: &LlamaBackend, model: &'m Model, shape: Shape) -> Option<Self> {
        // SAFETY: the model is live and one thread makes contexts of it, one after the other.
        let raw = unsafe { sys::llama_init_from_model(model.raw(), shape.params()) };
        let mut context = Self {
            raw: NonNull::new(raw)?,
            shape,
            vocabulary: model.n_vocab(),
            width: usize::try_from(model.n_embd_out()).ok()?,
            rows: 0,
            places: Vec::with_capacity(shape.n_batch as usize),
            model: PhantomData,
        };
        context.adapt(model);
        Some(context)
    }

    /// Bytes of the outputs of a step: a row for each sequence, or each token where all have one.
    pub(crate) fn outputs(&self) -> u64 {
        let logits = u64::try_from(self.vocabulary).unwrap_or(0);
        let row = match self.shape.output {
            Output::Logits => logits,
            // The engine makes room for logits too.
            Output::Embeddings => logits + self.width as u64,
        };
        u64::from(self.shape.rows()) * row * size_of::<f32>() as u64
    }

    /// Computes a step; an encoder's too.
    ///
    /// # Errors
    /// [`DecodeError`]; rows of an earlier step are gone.
    pub(crate) fn decode(&mut self, batch: &mut Batch) -> Result<(), DecodeError> {
        self.rows = 0;
        let length = 1..=self.shape.n_batch as usize;
        let fits = batch.fits(self.shape.sequences, self.vocabulary)
            && batch.outputs() <= self.shape.rows() as usize;
        if !length.contains(&batch.len()) || !fits {
            return Err(DecodeError::Batch);
        }
        let lent = batch.lend(&mut self.places);
        // SAFETY: L6: the context is live; the batch's pointers are, for `n_tokens` values each.
        let answer = unsafe { sys::llama_decode(self.raw.as_ptr(), lent) };
        match answer {
            0 => {
                self.rows = batch.len();
                Ok(())
            }
            1 => Err(DecodeError::NoCell),
            other => Err(DecodeError::Engine(other)),
        }
    }

    /// Waits until the last step is computed.
    pub(crate) fn synchronize(&mut self) {
        // SAFETY: L6: the context is live.
        unsafe { sys::llama_synchronize(self.raw.as_ptr()) };
    }

    /// Logits of the token at `row` of the last step, if it wanted them; one for each id.
    pub(crate) fn logits(&mut self, row: i32) -> Option<&[f32]> {
        let row = self.row(row)?;
        // SAFETY: L6: the context is live, and answers null for a row that has none.
        let data = unsafe { sys::llama_get_logits_ith(self.raw.as_ptr(), row) };
        self.floats(data, usize::try_from(self.vocabulary).ok()?)
    }

    /// The embedding of the token at `row` of the last step, in a context that embeds.
    pub(crate) fn embedding(&mut self, row: i32) -> Option<&[f32]> {
        let row = self.row(row)?;
        // SAFETY: L6: the context is live, and answers null for a row that has none.
        let data = unsafe { sys::llama_get_embeddings_ith(self.raw.as_ptr(), row) };
        self.floats(data, self.width)
    }

    /// Forgets all sequences and zeroes all cells.
    pub(crate) fn clear(&mut self) {
        let memory = self.memory();
        // SAFETY: L7: the memory is that of a live context, or null, which the call takes.
        unsafe { sys::llama_memory_clear(memory, true) };
    }

    /// Forgets `sequence` from position `from` on.
    ///
    /// # Errors
    /// [`SequenceError`].
    pub(crate) fn remove(&mut self, sequence: i32, from: u32) -> Result<(), SequenceError> {
        let sequence = self.sequence(sequence)?;
        let (memory, from) = (self.memory(), position(from)?);
        // SAFETY: L7, and the sequence was checked; a negative end is the last.
        let removed = unsafe { sys::llama_memory_seq_rm(memory, sequence, from, -1) };
        if removed { Ok(()) } else { Err(SequenceError::Engine) }
    }

    /// Lets `to` see the first `count` cells of `from`.
    ///
    /// # Errors
    /// [`SequenceError::Range`].
    pub(crate) fn copy(&mut self, from: i32, to: i32, count: u32) -> Result<(), SequenceError> {
        let (from, to) = (self.sequence(from)?, self.sequence(to)?);
        let (memory, end) = (self.memory(), position(count)?);
        // SAFETY: L7; both were checked, and the cache is unified, so a part may be copied.
        unsafe { sys::llama_memory_seq_cp(memory, from, to, 0, end) };
        Ok(())
    }

    /// The pointer for the engine's own calls.
    pub(super) fn raw(&mut self) -> *mut sys::llama_context {
        self.raw.as_ptr()
    }

    pub(super) fn memory(&self) -> sys::llama_memory_t {
        // SAFETY: L6: the context is live.
        unsafe { sys::llama_get_memory(self.raw.as_ptr()) }
    }

    fn row(&self, row: i32) -> Option<i32> {
        usize::try_from(row).is_ok_and(|at| at < self.rows).then_some(row)
    }

    /// `id`, if this context has such a sequence.
    pub(super) fn sequence(&self, id: i32) -> Result<i32, SequenceError> {
        let known = u32::try_from(id).is_ok_and(|id| id < self.shape.sequences);
        if known { Ok(id) } else { Err(SequenceError::Range) }
    }

    /// `count` values of the engine's, which nothing changes while `self` is borrowed.
    fn floats(&self, data: *const f32, count: usize) -> Option<&[f32]> {
        if data.is_null() {
            return None;
        }
        // SAFETY: L8: a row has so many values and stays until the next step, which needs `self`.
        Some(unsafe { slice::from_raw_parts(data, count) })
    }
}

impl Drop for Context<'_> {
    fn drop(&mut self) {
        // SAFETY: L6: it is live, owned here alone, and its model is still there.
        unsafe { sys::llama_free(self.raw.as_ptr()) };
    }
}

fn position(at: u32) -> Result<i32, SequenceError> {
    i32::try_from(at).map_err(|_| SequenceError::Range)
}
