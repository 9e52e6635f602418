//! Reading the model file: the moment at which the input is most hostile.

use std::{cell::RefCell, rc::Rc, time::Duration};

use core_wire::{
    limits::{CONTEXT_TOKENS_MAX, SLOTS_MAX, STEP_MS_MAX, VOCABULARY_MAX, WORKER_TEXT_BYTES_MAX},
    worker::{
        Failed, FailedCause, ModelFacts, ToBroker,
        config::{KvType, Serve},
    },
};
use llama_cpp_2::{llama_backend::LlamaBackend, model::LlamaModel};

use crate::{
    context::pool::{self, Sharing},
    fault::Fault,
    link::Link,
    llama::{
        context::{Context, Output, Shape},
        model::{Model, Source},
    },
};

/// Steps in which progress is told: a line of dots on a terminal, and few records.
const PROGRESS_STEPS: f32 = 50.0;

/// Architectures that encode text and continue none.
const ENCODERS: [&str; 9] = [
    "bert",
    "modern-bert",
    "nomic-bert",
    "nomic-bert-moe",
    "neo-bert",
    "jina-bert-v2",
    "jina-bert-v3",
    "eurobert",
    "gemma-embedding",
];

/// Architectures that need an encoder beside them, or are none for text.
const UNSERVED: [&str; 3] = ["t5", "t5encoder", "clip"];

/// Bytes of an architecture's name that are told; llama.cpp's longest has 20.
const ARCHITECTURE_BYTES_MAX: usize = 64;

const _: () = assert!(ARCHITECTURE_BYTES_MAX <= WORKER_TEXT_BYTES_MAX);

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

/// Reads the model of `source`, telling progress through `link`.
///
/// # Errors
/// [`NoModel::Failed`] where the file is no model that can be loaded.
pub(crate) fn load(
    backend: &LlamaBackend,
    source: &Source,
    link: &Rc<RefCell<Link>>,
) -> Result<Model, NoModel> {
    let mut steps = 0.0;
    // Answering false ends the load: then the broker is gone.
    let mut progress = |fraction: f32| {
        let mut link = link.borrow_mut();
        link.beat();
        let now = (fraction.clamp(0.0, 1.0) * PROGRESS_STEPS).floor();
        if now <= steps {
            return true;
        }
        steps = now;
        link.say(&ToBroker::Progress(now / PROGRESS_STEPS)).is_ok()
    };
    let model = Model::load(backend, source, &mut progress).ok_or_else(|| {
        failed(
            FailedCause::Model,
            "the engine cannot load this file; it is no GGUF model that it knows, or not whole",
        )
    })?;
    check_vocabulary(&model)?;
    Ok(model)
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
        kv: KvType::F16,
        output: Output::Logits,
    };
    Context::new(backend, model, shape).ok_or_else(|| {
        let n_ctx = plan.n_ctx;
        let message = format!("no context of {n_ctx} tokens can be made; lower n_ctx or slots");
        failed(FailedCause::Memory, message)
    })
}

/// Whether the model encodes text and continues none.
pub(crate) fn is_encoder(model: &LlamaModel) -> bool {
    ENCODERS.contains(&architecture(model).as_str())
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
            step_max: Duration::from_millis(serve.step_ms_max.clamp(1, STEP_MS_MAX).into()),
            idle_cells: serve.idle_cells_max,
            sharing,
        }
    }
}

/// What the file said; `plan` is absent for a vocabulary alone.
pub(crate) fn facts(model: &LlamaModel, plan: Option<&Plan>, chat_template: Known) -> ModelFacts {
    ModelFacts {
        architecture: architecture(model),
        n_ctx: plan.map_or(0, |plan| plan.n_ctx),
        n_ctx_train: model.n_ctx_train(),
        n_vocab: u32::try_from(model.n_vocab()).unwrap_or(0),
        n_embd: u32::try_from(model.n_embd_out()).unwrap_or(0),
        n_params: model.n_params(),
        slots: plan.map_or(0, |plan| plan.slots),
        chat_template: chat_template == Known::Yes,
        n_layer: model.n_layer(),
        vocabulary: 0,
    }
}

/// Whether the file holds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// The architecture that the file names, as far as it is plain text.
pub(crate) fn architecture(model: &LlamaModel) -> String {
    let text = model.meta_val_str("general.architecture");
    let text = text.unwrap_or_else(|_| "unknown".into());
    let plain = |c: &char| c.is_ascii_graphic();
    text.chars().filter(plain).take(ARCHITECTURE_BYTES_MAX).collect()
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
