//! Embeddings, in a context of their own.
//!
//! A context that embeds computes an output for every token, which would cost each prompt of the
//! others; so there is a second one, small, made when the first text comes. Texts are taken one
//! after the other, a slice in each turn, which is sized in time, so that nobody who is being
//! answered waits for a whole text. An encoder looks at a whole text at once and has nobody else to
//! answer: its context is the only one, and a slice is a text.

mod pooling;
mod slice;

#[cfg(test)]
mod tests;

use std::{mem::ManuallyDrop, time::Instant};

use core_wire::{
    code::{Code, Refusal},
    ids::JobId,
    worker::config::KvType,
};
use llama_cpp_2::{llama_backend::LlamaBackend, token::LlamaToken};

use self::{
    pooling::{Pooled, Pooling},
    slice::{SLICE_MAX, Slices},
};
use super::{facts::architecture, load::Plan};
use crate::llama::{
    batch::Batch,
    context::{Context, Output, Shape},
    model::Model,
};

/// The longest text in tokens: a few pages. The context's memory grows with it.
const TEXT_TOKENS_MAX: u32 = 2048;

/// The same for an encoder, which computes a text in one piece, while the broker ends a worker that
/// shows no life for 30 s. At the speed measured on two cores (379 tokens/s with 164 million
/// parameters) one of 335 million takes some 6 s for so many; what is much larger or slower is not
/// served well there.
const ENCODED_TOKENS_MAX: u32 = 1024;

/// A text to be embedded.
pub(crate) struct Text {
    /// Its job.
    pub(crate) job: JobId,
    /// Its tokens; at least one.
    pub(crate) tokens: Vec<LlamaToken>,
}

/// What is known of the text in work, and how far it is.
struct Work {
    text: Text,
    fed: usize,
    pooled: Pooled,
}

/// How a model takes a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// From the first token to the last: a model that continues text.
    InOrder,
    /// All tokens at once: an encoder.
    AtOnce,
}

/// Whether somebody waits for the next token meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// Nobody.
    Nobody,
    /// Sequences run.
    Sequences,
}

/// The context for embeddings and the text in work.
pub(crate) struct Embedder<'m> {
    backend: &'m LlamaBackend,
    model: &'m Model,
    plan: Plan,
    pooling: Pooling,
    reading: Reading,
    slices: Slices,
    context: Option<ManuallyDrop<Context<'m>>>,
    batch: Batch,
    work: Option<Work>,
}

impl<'m> Embedder<'m> {
    /// An embedder that has made nothing yet.
    pub(crate) fn new(backend: &'m LlamaBackend, model: &'m Model, plan: Plan) -> Self {
        Self {
            backend,
            model,
            plan,
            pooling: Pooling::of(model, &architecture(model)),
            reading: Reading::InOrder,
            slices: Slices::new(plan.step_max),
            context: None,
            batch: Batch::new(SLICE_MAX),
            work: None,
        }
    }

    /// The embedder of an encoder, with its context.
    ///
    /// # Errors
    /// `MEMORY`.
    pub(crate) fn of_encoder(
        backend: &'m LlamaBackend,
        model: &'m Model,
        plan: Plan,
    ) -> Result<Self, Refusal> {
        let mut embedder = Self { reading: Reading::AtOnce, ..Self::new(backend, model, plan) };
        embedder.batch = Batch::new(embedder.tokens_max() as usize);
        embedder.context = Some(embedder.make()?);
        Ok(embedder)
    }

    /// Whether no text is in work.
    pub(crate) fn is_idle(&self) -> bool {
        self.work.is_none()
    }

    /// The job in work.
    pub(crate) fn job(&self) -> Option<JobId> {
        self.work.as_ref().map(|work| work.text.job)
    }

    /// Begins with a text.
    ///
    /// # Errors
    /// `BAD_PARAMETER` where the model embeds nothing, `PROMPT_TOO_LONG`, `MEMORY`.
    pub(crate) fn begin(&mut self, text: Text) -> Result<(), Refusal> {
        if self.pooling == Pooling::Rank {
            let message = "this model ranks texts and gives no embedding";
            return Err(Refusal::new(Code::BadParameter, message));
        }
        let (length, most) = (text.tokens.len(), self.tokens_max());
        if length > most as usize {
            let message = format!("the text has {length} tokens; at most {most} can be embedded");
            return Err(Refusal::new(Code::PromptTooLong, message));
        }
        let _made = self.context()?;
        self.work = Some(Work { text, fed: 0, pooled: Pooled::new(self.pooling) });
        Ok(())
    }

    /// Computes the next slice; answers the embedding with the last.
    ///
    /// # Errors
    /// `INTERNAL`: the engine failed on it, or computed what is no number.
    pub(crate) fn advance(&mut self, beside: Beside) -> Result<Option<Vec<f32>>, Refusal> {
        let Some(mut work) = self.work.take() else {
            return Ok(None);
        };
        let computed = self.compute(&mut work, beside);
        if computed.is_ok() && work.fed < work.text.tokens.len() {
            self.work = Some(work);
            return Ok(None);
        }
        // The next text starts in an empty cache, and this one leaves nothing behind, whether or
        // not the engine could compute it.
        self.clear();
        computed?;
        work.pooled.finish().map(Some).ok_or_else(broken)
    }

    /// Computes a slice and takes its rows in, of which there are none where the engine failed.
    fn compute(&mut self, work: &mut Work, beside: Beside) -> Result<(), Refusal> {
        let context = self.context.as_mut().ok_or_else(broken)?;
        let most = match self.reading {
            Reading::AtOnce => work.text.tokens.len(),
            Reading::InOrder => self.slices.tokens(beside),
        };
        let end = work.text.tokens.len().min(work.fed + most);
        self.batch.clear();
        for at in work.fed..end {
            let position = i32::try_from(at).unwrap_or(i32::MAX);
            let added = self.batch.add(work.text.tokens[at], position, 0);
            added.map_err(|_| broken())?;
            self.batch.want_output();
        }
        let began = Instant::now();
        context.decode(&mut self.batch).map_err(|_| broken())?;
        for row in (0..).take(self.batch.len()) {
            work.pooled.add(context.embedding(row).ok_or_else(broken)?);
        }
        self.slices.took(beside, end - work.fed, began.elapsed());
        work.fed = end;
        Ok(())
    }

    /// Gives the text in work up.
    pub(crate) fn stop(&mut self) {
        self.work = None;
        self.clear();
    }

    /// Tokens of a text at most.
    pub(crate) fn tokens_max(&self) -> u32 {
        let most = match self.reading {
            Reading::InOrder => TEXT_TOKENS_MAX,
            Reading::AtOnce => ENCODED_TOKENS_MAX,
        };
        most.min(self.plan.n_ctx)
    }

    fn clear(&mut self) {
        if let Some(context) = self.context.as_mut() {
            context.clear();
        }
    }

    /// The context, made now if it was not yet.
    ///
    /// # Errors
    /// `MEMORY`.
    pub(crate) fn context(&mut self) -> Result<&mut Context<'m>, Refusal> {
        let made = self.context.take().map_or_else(|| self.make(), Ok)?;
        Ok(&mut **self.context.insert(made))
    }

    fn make(&self) -> Result<ManuallyDrop<Context<'m>>, Refusal> {
        let slice = match self.reading {
            Reading::AtOnce => self.tokens_max(),
            Reading::InOrder => u32::try_from(SLICE_MAX).unwrap_or(u32::MAX),
        };
        let shape = Shape {
            n_ctx: self.tokens_max(),
            sequences: 1,
            n_batch: slice,
            n_ubatch: slice,
            threads: self.plan.threads,
            kv: KvType::F16,
            output: Output::Embeddings,
        };
        let made = Context::new(self.backend, self.model, shape);
        let short = || Refusal::new(Code::Memory, "there is no memory for a context that embeds");
        // Never freed, as nothing of the engine is: the process ends instead.
        made.map(ManuallyDrop::new).ok_or_else(short)
    }
}

fn broken() -> Refusal {
    Refusal::new(Code::Internal, "the engine cannot embed this text")
}
