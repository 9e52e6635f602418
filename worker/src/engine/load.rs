//! Reading the model file: the moment at which the input is most hostile.

use std::time::Duration;

use core_wire::{
    limits::{CONTEXT_TOKENS_MAX, SLOTS_MAX, STEP_MS_MAX, VOCABULARY_MAX},
    worker::{
        Failed, FailedCause, ToBroker,
        config::{KvType, Serve},
    },
};
use llama_cpp_2::{llama_backend::LlamaBackend, model::LlamaModel};

use super::facts::architecture;
use crate::{
    boot::ModelFiles,
    context::pool::{self, Sharing},
    fault::Fault,
    link::Link,
    llama::{
        context::{Context, Output, Shape},
        model::{Model, Progress, Source},
    },
};

/// Steps in which progress is told: a line of dots on a terminal, and few records.
const PROGRESS_STEPS: f32 = 50.0;

/// Architectures that need an encoder beside them, or are none for text.
const UNSERVED: [&str; 3] = ["t5", "t5encoder", "clip"];

/// Why there is nothing to serve: told to the broker, or a fault.
#[derive(Debug)]
pub(crate) enum NoModel {
    /// The file or the machine is at fault.
    Failed(Failed),
    /// The promise of somebody is broken.
    Fault(Fault),
}

impl From<Fault> for NoModel {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A failure to be told to the broker.
pub(crate) fn failed(cause: FailedCause, message: impl Into<String>) -> NoModel {
    NoModel::Failed(Failed { cause, message: message.into() })
}

/// Tells the progress of a load through `link`; the load ends where the broker is gone.
pub(crate) fn telling(link: &mut Link) -> impl FnMut(f32) -> bool {
    let mut steps = 0.0;
    move |fraction: f32| {
        link.beat();
        let now = (fraction.clamp(0.0, 1.0) * PROGRESS_STEPS).floor();
        if now <= steps {
            return true;
        }
        steps = now;
        link.say(&ToBroker::Progress(now / PROGRESS_STEPS)).is_ok()
    }
}

/// Reads the model of `source`.
///
/// # Errors
/// [`NoModel::Failed`] where the files are no model that can be loaded.
pub(crate) fn load(
    backend: &LlamaBackend,
    source: &Source,
    progress: Progress<'_>,
) -> Result<Model, NoModel> {
    let parts = source.parts.len();
    let model = Model::load(backend, source, progress).ok_or_else(|| {
        let message = if parts == 1 {
            "the engine cannot load this file; it is no GGUF model that it knows, or not whole"
        } else {
            "the engine cannot load these files; one is missing, broken, or of another model"
        };
        failed(FailedCause::Model, message)
    })?;
    check_parts(&model, parts)?;
    check_vocabulary(&model)?;
    Ok(model)
}

/// Loads the adapters that CONFIG names.
///
/// # Errors
/// [`NoModel::Failed`] with the number of the one that cannot be used.
pub(crate) fn adapt(model: &mut Model, serve: &Serve) -> Result<(), NoModel> {
    for (index, scale) in serve.adapters.iter().enumerate() {
        let path = ModelFiles::path(usize::from(serve.parts) + index);
        model.adapt(&path, *scale).map_err(|error| {
            let (number, count) = (index + 1, serve.adapters.len());
            failed(FailedCause::Model, format!("adapter {number} of {count} {error}"))
        })?;
    }
    Ok(())
}

/// Makes the context: the KV cache and the buffers for computing.
///
/// # Errors
/// [`NoModel::Failed`] where the model continues no text, or memory is short.
pub(crate) fn context<'m>(
    backend: &LlamaBackend,
    model: &'m Model,
    plan: &Plan,
) -> Result<Context<'m>, NoModel> {
    let architecture = architecture(model);
    if UNSERVED.contains(&architecture.as_str()) {
        let message = "models of this architecture are not served; load a generative model";
        return Err(failed(FailedCause::Model, message));
    }
    let shape = Shape {
        n_ctx: plan.n_ctx,
        sequences: plan.sequences,
        // Room for one row of logits for each sequence, or the engine aborts.
        n_batch: plan.n_batch.max(plan.sequences),
        n_ubatch: plan.n_ubatch,
        threads: plan.threads,
        kv: plan.kv,
        output: Output::Logits,
    };
    Context::new(backend, model, shape).ok_or_else(|| {
        let n_ctx = plan.n_ctx;
        let other = match plan.kv {
            KvType::F16 => "",
            // Widths that no block divides, or an architecture without flash attention.
            KvType::Q8 | KvType::Q4 => ", or set kv to f16: not every model allows less",
        };
        let message =
            format!("no context of {n_ctx} tokens can be made; lower n_ctx or slots{other}");
        failed(FailedCause::Memory, message)
    })
}

/// Numbers of CONFIG, brought into the ranges of the model and of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Cells for all sequences, and the longest sequence.
    pub(crate) n_ctx: u32,
    /// Sequences at once.
    pub(crate) slots: u32,
    /// Tokens of a step; at least one for each slot.
    pub(crate) n_batch: u32,
    /// Tokens computed at once.
    pub(crate) n_ubatch: u32,
    /// Threads, this one included.
    pub(crate) threads: i32,
    /// Sequences that the cache tells apart: the slots, and those that pause.
    pub(crate) sequences: u32,
    /// How keys and values are stored.
    pub(crate) kv: KvType,
    /// How long a step should take at most in which somebody gets a token.
    pub(crate) step_max: Duration,
    /// Cells that those who pause may keep.
    pub(crate) idle_cells: u32,
    /// How much of a sequence another may start from.
    pub(crate) sharing: Sharing,
}

impl Plan {
    /// The plan for a model.
    pub(crate) fn new(serve: &Serve, model: &LlamaModel) -> Self {
        let slots = serve.slots.clamp(1, SLOTS_MAX);
        let n_ctx = serve.n_ctx.min(model.n_ctx_train()).clamp(1, CONTEXT_TOKENS_MAX);
        let moves_on = model.is_recurrent() || model.is_hybrid();
        let window = format!("{}.attention.sliding_window", architecture(model));
        let copies = !moves_on && model.meta_val_str(&window).is_err();
        let sharing = if copies { Sharing::Parts } else { Sharing::Whole };
        let n_batch = serve.n_batch.max(slots).min(n_ctx.max(slots));
        Self {
            n_ctx,
            slots,
            n_batch,
            n_ubatch: serve.n_ubatch.clamp(1, n_batch),
            threads: i32::try_from(serve.threads).unwrap_or(1).max(1),
            // A state of a fixed size for each sequence is dear where it may be large.
            sequences: if moves_on { slots } else { pool::sequences(slots, sharing) },
            kv: serve.kv,
            step_max: Duration::from_millis(serve.step_ms_max.clamp(1, STEP_MS_MAX).into()),
            idle_cells: serve.idle_cells_max,
            sharing,
        }
    }
}

/// The engine reads as many parts as the first says and looks at no other.
fn check_parts(model: &LlamaModel, came: usize) -> Result<(), NoModel> {
    let said = model.meta_val_str("split.count").ok().and_then(|count| count.parse().ok());
    let said: usize = said.unwrap_or(1).max(1);
    if said == came {
        return Ok(());
    }
    let message = format!("{came} files came for a model that says it has {said}");
    Err(failed(FailedCause::Model, message))
}

fn check_vocabulary(model: &LlamaModel) -> Result<(), NoModel> {
    match u32::try_from(model.n_vocab()) {
        Ok(1..=VOCABULARY_MAX) => Ok(()),
        _ => {
            let n_vocab = model.n_vocab();
            let message =
                format!("a vocabulary of {n_vocab} ids; 1 to {VOCABULARY_MAX} can be served");
            Err(failed(FailedCause::Model, message))
        }
    }
}
