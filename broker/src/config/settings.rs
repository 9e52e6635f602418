//! How one model is to be served.

use core_wire::worker::{KvType, Weights};

/// What a model gets unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelDefaults {
    /// Context in tokens for all sequences together, never more than the model was trained for.
    pub n_ctx: u32,
    /// Sequences served at once.
    pub slots: u32,
    /// Threads of a worker; `None` takes the cores that are there, and more never run.
    pub threads: Option<u32>,
    /// Milliseconds that a step with somebody's next token in it should take at most.
    pub step_ms_max: u32,
    /// Cells that sequences which nobody continues may hold; `None` is an eighth of the context.
    pub idle_cells: Option<u32>,
    /// Seconds that a model stays loaded after its last request; `None` is for ever.
    pub keep_alive_s: Option<u32>,
    /// How keys and values are stored.
    pub kv: KvType,
    /// Where weights lie; `None` leaves it to what was measured.
    pub weights: Option<Weights>,
    /// Layers on a GPU.
    pub gpu_layers: GpuLayers,
}

/// How many layers a GPU computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GpuLayers {
    /// As many as fit, none where there is no GPU.
    #[default]
    Auto,
    /// All of them; a model for which they do not fit is not loaded.
    All,
    /// So many; 0 keeps it on the CPU.
    Exactly(u32),
}

/// Who goes first when memory is short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keep {
    /// Before all others.
    Low,
    /// In the order of last use.
    #[default]
    Normal,
    /// After all others.
    High,
    /// Never.
    Pinned,
}

/// A LoRA adapter.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapter {
    /// Its file, relative to models/ and below it.
    pub file: String,
    /// How strongly it is applied.
    pub scale: f32,
}

/// What the file says of one model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelConfig {
    /// Its file, relative to models/ and below it; `None` is the id with `.gguf`.
    pub file: Option<String>,
    /// Context in tokens.
    pub n_ctx: Option<u32>,
    /// Sequences served at once.
    pub slots: Option<u32>,
    /// Threads of its worker.
    pub threads: Option<u32>,
    /// Milliseconds that a step should take at most.
    pub step_ms_max: Option<u32>,
    /// Cells that sequences which nobody continues may hold.
    pub idle_cells: Option<u32>,
    /// SHA-256 that its file must have.
    pub sha256: Option<[u8; 32]>,
    /// Whose vocabulary tokenizes for it while it is not loaded, relative to tokenizers/.
    pub tokenizer: Option<String>,
    /// Its LoRA adapters.
    pub adapters: Vec<Adapter>,
    /// Seconds that it stays loaded after its last request.
    pub keep_alive_s: Option<u32>,
    /// Who goes first when memory is short.
    pub keep: Keep,
    /// Whether it is loaded when the broker starts.
    pub preload: bool,
    /// Whether a second worker is kept ready to replace the first when that is lost.
    pub standby: bool,
    /// How keys and values are stored.
    pub kv: Option<KvType>,
    /// Where its weights lie.
    pub weights: Option<Weights>,
    /// Layers on a GPU.
    pub gpu_layers: Option<GpuLayers>,
}
