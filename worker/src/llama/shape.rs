//! What a context is made for, as the engine takes it.

use core_wire::worker::config::KvType;
use llama_cpp_sys_2 as sys;

/// What a context is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Cells for all sequences.
    pub(crate) n_ctx: u32,
    /// Sequences that are told apart.
    pub(crate) sequences: u32,
    /// Tokens of a step, and rows of outputs.
    pub(crate) n_batch: u32,
    /// Tokens computed at once.
    pub(crate) n_ubatch: u32,
    /// Threads, this one included.
    pub(crate) threads: i32,
    /// How keys and values are stored.
    pub(crate) kv: KvType,
    /// What is computed.
    pub(crate) output: Output,
}

impl Shape {
    /// Outputs of a step at most: the last token of each sequence has one, or every token.
    pub(super) fn rows(&self) -> u32 {
        match self.output {
            Output::Logits => self.sequences,
            Output::Embeddings => self.n_batch,
        }
    }

    /// The parameters as the engine takes them.
    pub(super) fn params(&self) -> sys::llama_context_params {
        let stored = match self.kv {
            KvType::F16 => sys::GGML_TYPE_F16,
            KvType::Q8 => sys::GGML_TYPE_Q8_0,
            KvType::Q4 => sys::GGML_TYPE_Q4_0,
        };
        // SAFETY: takes nothing and answers a value.
        let mut params = unsafe { sys::llama_context_default_params() };
        params.n_ctx = self.n_ctx;
        params.n_seq_max = self.sequences;
        params.n_batch = self.n_batch;
        // Its default, a row for each token of a step, would be most of what a small model takes.
        params.n_outputs_max = self.rows();
        params.n_ubatch = self.n_ubatch;
        params.n_threads = self.threads;
        params.n_threads_batch = self.threads;
        // Quantized values switch it on, and the engine refuses where it cannot have it.
        params.flash_attn_type = sys::LLAMA_FLASH_ATTN_TYPE_AUTO;
        params.kv_unified = true;
        params.no_perf = true;
        (params.type_k, params.type_v) = (stored, stored);
        if self.output == Output::Embeddings {
            params.embeddings = true;
            params.pooling_type = sys::LLAMA_POOLING_TYPE_NONE;
        }
        params
    }
}

/// What comes out of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Logits for the tokens that want them.
    Logits,
    /// An embedding for every token.
    Embeddings,
}
