//! The first record of ring B: everything a worker needs to know, written before it is forked.

use serde::{Deserialize, Serialize};

/// What the process is for and how it is to do it. The broker is its only source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerConfig {
    /// What to do after the lockdown.
    pub purpose: Purpose,
    /// The broker's process id, so that the worker can tell whether its parent is still alive.
    pub broker_pid: u32,
    /// Paths that must not open once Landlock is in place; the worker tries each.
    pub canaries: Vec<String>,
}

/// What a worker process is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Purpose {
    /// Compare CPU variants, answer with the best, end.
    Choose {
        /// Absolute paths of the variants' libraries.
        variants: Vec<String>,
    },
    /// Load a model and serve it.
    Serve(Serve),
    /// Read what the files say of themselves and what a worker for them would take, or tell which
    /// GPUs there are, answer, end. No weight is read and nothing of their size is allocated.
    Inspect(Serve),
}

impl Purpose {
    /// GPU back ends that the process loads. Where there is one it runs under the GPU profile, for
    /// whatever it is.
    pub fn backends(&self) -> &[String] {
        match self {
            Self::Choose { .. } => &[],
            Self::Serve(serve) | Self::Inspect(serve) => &serve.backends,
        }
    }
}

/// How to serve a model.
///
/// The files lie at descriptors from `MODEL_FIRST` up: the parts of the model in their order, then
/// its adapters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Serve {
    /// Absolute path of the one CPU variant to load.
    pub variant: String,
    /// Absolute paths of GPU back ends to load beside it; none in the CPU profile.
    pub backends: Vec<String>,
    /// Files that the model is split into, at least 1 where anything is loaded.
    pub parts: u8,
    /// The scales of its LoRA adapters, one for each file behind the parts.
    pub adapters: Vec<f32>,
    /// Whether weights are loaded.
    pub load: Load,
    /// Cells of the KV cache for all sequences together, in tokens; never more than the model was
    /// trained for.
    pub n_ctx: u32,
    /// Sequences served at once, 1 to [`crate::limits::SLOTS_MAX`].
    pub slots: u32,
    /// Threads of the engine, the main thread included.
    pub threads: u32,
    /// Tokens of one engine step at most; a prompt is prefilled in slices of this.
    pub n_batch: u32,
    /// Tokens computed at once within a step.
    pub n_ubatch: u32,
    /// Milliseconds that a step with somebody's next token in it should take at most.
    pub step_ms_max: u32,
    /// Cells that sequences which nobody continues may hold.
    pub idle_cells_max: u32,
    /// How keys and values are stored.
    pub kv: KvType,
    /// Where the weights lie.
    pub weights: Weights,
    /// Layers that a GPU computes, from the last one on; 0 in the CPU profile.
    pub gpu_layers: u32,
}

/// How much of a model file is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Load {
    /// Everything: the worker generates.
    Weights,
    /// The vocabulary alone: the worker tokenizes.
    Vocabulary,
    /// Nothing, and no file comes: an inspector that only tells which GPUs there are. So no byte of
    /// a file is read under the weaker profile before it was looked at under the other.
    Nothing,
}

/// How keys and values are stored: bits for each number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KvType {
    /// 16: as the engine computes them.
    #[default]
    F16,
    /// 8.5; needs flash attention.
    Q8,
    /// 4.5; needs flash attention.
    Q4,
}

/// Where the weights lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Weights {
    /// In the page cache, as the file has them: workers of one file share them, and a new worker
    /// finds them there.
    #[default]
    Shared,
    /// In private memory as far as the CPU has a faster layout for them, else in the page cache.
    Repacked,
}
