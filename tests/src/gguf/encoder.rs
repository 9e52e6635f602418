//! A text encoder: the bert architecture with the same vocabularies and random weights.

use std::path::Path;

use super::model::write_file;
use super::vocab;
use super::weights::Fill;
use super::write::{Tensor, Value};
use super::{MakeError, Shape, Weight};

/// How an encoder's file says that its tokens become one embedding; the numbers are GGUF's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// All tokens alike.
    Mean = 1,
    /// The first token.
    Cls = 2,
    /// The last token.
    Last = 3,
}

/// Writes an encoder of the widths and the vocabulary of `shape`.
///
/// # Errors
/// [`MakeError`].
pub fn write_encoder(shape: &Shape, pooling: Pooling, path: &Path) -> Result<(), MakeError> {
    let vocab = vocab::build(shape)?;
    let mut pairs = pairs(shape, pooling);
    pairs.extend(vocab.pairs.iter().cloned());
    write_file(path, &pairs, &tensors(shape), shape.seed, 0)
        .map_err(|source| MakeError::Io { path: path.to_owned(), source })
}

fn pairs(shape: &Shape, pooling: Pooling) -> Vec<(String, Value)> {
    let number = |n: usize| Value::U32(u32::try_from(n).unwrap_or(u32::MAX));
    let named = [
        ("general.architecture", Value::Str("bert".to_owned())),
        ("general.name", Value::Str(shape.name.clone())),
        ("bert.vocab_size", number(shape.n_vocab)),
        ("bert.context_length", Value::U32(shape.n_ctx)),
        ("bert.embedding_length", number(shape.n_embd)),
        ("bert.block_count", number(shape.n_layer)),
        ("bert.feed_forward_length", number(shape.n_ff)),
        ("bert.attention.head_count", number(shape.n_head)),
        ("bert.attention.layer_norm_epsilon", Value::F32(1e-12)),
        ("bert.attention.causal", Value::Bool(false)),
        ("bert.pooling_type", Value::U32(pooling as u32)),
        ("tokenizer.ggml.token_type_count", Value::U32(1)),
    ];
    named.map(|(name, value)| (name.to_owned(), value)).into()
}

fn tensors(shape: &Shape) -> Vec<(Tensor, Fill)> {
    let (n_embd, n_ctx) = (shape.n_embd as u64, u64::from(shape.n_ctx));
    let noise = |std| Fill::Noise { std, mute: 0..0 };
    let tensor = |name: &str, dims, weight| Tensor { name: name.to_owned(), dims, weight };
    let mut all = vec![
        (tensor("token_embd.weight", vec![n_embd, shape.n_vocab as u64], shape.weight), noise(1.0)),
        (tensor("position_embd.weight", vec![n_embd, n_ctx], Weight::F32), noise(0.3)),
    ];
    all.extend(norm("token_embd_norm", n_embd));
    all.extend((0..shape.n_layer).flat_map(|layer| block(shape, layer)));
    all
}

fn block(shape: &Shape, layer: usize) -> Vec<(Tensor, Fill)> {
    let (n_embd, n_ff) = (shape.n_embd as u64, shape.n_ff as u64);
    let matrix = |part: &str, columns: u64, rows: u64| {
        let name = format!("blk.{layer}.{part}.weight");
        let fill = Fill::Noise { std: 1.0 / (columns as f32).sqrt(), mute: 0..0 };
        (Tensor { name, dims: vec![columns, rows], weight: shape.weight }, fill)
    };
    let mut block = vec![
        matrix("attn_q", n_embd, n_embd),
        matrix("attn_k", n_embd, n_embd),
        matrix("attn_v", n_embd, n_embd),
        matrix("attn_output", n_embd, n_embd),
        matrix("ffn_up", n_embd, n_ff),
        matrix("ffn_down", n_ff, n_embd),
    ];
    block.extend(norm(&format!("blk.{layer}.attn_output_norm"), n_embd));
    block.extend(norm(&format!("blk.{layer}.layer_output_norm"), n_embd));
    block
}

/// A layer norm: a weight of ones, and a little bias.
fn norm(name: &str, width: u64) -> [(Tensor, Fill); 2] {
    let part = |part: &str, fill| {
        (Tensor { name: format!("{name}.{part}"), dims: vec![width], weight: Weight::F32 }, fill)
    };
    [part("weight", Fill::Ones), part("bias", Fill::Noise { std: 0.1, mute: 0..0 })]
}
