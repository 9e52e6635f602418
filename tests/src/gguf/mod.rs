//! Model files made on the spot: GGUF version 3, the llama architecture, seeded random weights.
//!
//! Tests and benchmarks need models of many shapes, and none may be downloaded or committed. The
//! weights mean nothing, but they are scaled so that every layer matters and the logits spread:
//! greedy decoding walks through the vocabulary and depends on the whole context. The same shape
//! and seed give the same bytes on every machine.

mod adapter;
mod broken;
mod derived;
mod encoder;
mod model;
mod presets;
pub mod rng;
mod tensors;
#[cfg(test)]
mod tests;
mod vocab;
mod weights;
mod write;

pub use adapter::write_adapter;
pub use broken::{Broken, write_broken};
pub use derived::{DERIVED, derived};
pub use encoder::{Pooling, write_encoder};
pub use model::{write_model, write_vocab};

use std::io;
use std::path::PathBuf;

use clap::ValueEnum;

/// How the matrices of a model are stored; norms are always F32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Weight {
    /// Four bytes per weight.
    #[value(name = "f32")]
    F32,
    /// Two bytes per weight.
    #[value(name = "f16")]
    F16,
    /// Blocks of 32 weights in 34 bytes; rows must be a multiple of 32 wide.
    #[value(name = "q8_0")]
    Q8_0,
    /// Blocks of 32 weights in 18 bytes, which most CPUs have a faster layout for.
    #[value(name = "q4_0")]
    Q4_0,
}

/// Which tokenizer the file describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VocabKind {
    /// Byte-level BPE as GPT-2 has it, with ChatML markers as control tokens.
    #[value(name = "gpt2")]
    Gpt2Bpe,
    /// Byte-level BPE with the pre-tokenizer and the control tokens of Llama 3.
    #[value(name = "llama3")]
    Llama3Bpe,
    /// SentencePiece with scores and byte tokens, as Llama 2 has it.
    Spm,
}

/// Which chat template the file carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatTemplate {
    /// The one that uses the control tokens of the vocabulary.
    Matching,
    /// This text, whatever it is: hostile templates are made this way.
    Text(String),
    /// None at all.
    Absent,
}

/// Whether a random model may end its own text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndOfText {
    /// Control tokens have a logit of zero while others reach far above it: greedy decoding never
    /// ends by itself, so the length of a run is the length that was asked for.
    Muted,
    /// Control tokens are as likely as any other.
    Free,
}

/// Everything that decides the bytes of a model file.
#[derive(Clone, Debug)]
pub struct Shape {
    /// `general.name`.
    pub name: String,
    /// Tokens in the vocabulary, control and byte tokens included; each kind has a minimum.
    pub n_vocab: usize,
    /// Width of the residual stream.
    pub n_embd: usize,
    /// Transformer blocks.
    pub n_layer: usize,
    /// Query heads.
    pub n_head: usize,
    /// Key and value heads; must divide `n_head`.
    pub n_head_kv: usize,
    /// Width of one head; even, because RoPE turns pairs.
    pub head_dim: usize,
    /// Inner width of the feed-forward network.
    pub n_ff: usize,
    /// Context length that the file claims to have been trained with, in tokens.
    pub n_ctx: u32,
    /// Storage of the matrices.
    pub weight: Weight,
    /// Tokenizer.
    pub vocab: VocabKind,
    /// Seed of all weights; the vocabulary does not depend on it, so that two seeds give two
    /// models that can be swapped under the same tokens.
    pub seed: u64,
    /// Chat template.
    pub chat_template: ChatTemplate,
    /// Whether the model may end its own text.
    pub end_of_text: EndOfText,
    /// Number of files to spread the tensors over, named as llama.cpp's gguf-split names them.
    pub split: Option<u16>,
}

/// Why a file was not made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The shape contradicts itself; the text names the field and what it must be.
    #[error("shape: {0}")]
    Shape(String),
    /// The file could not be written.
    #[error("cannot write {path}")]
    Io {
        /// The file in question.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
