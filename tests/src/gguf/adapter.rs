//! A LoRA adapter for a shape: two thin matrices beside each query projection.

use std::path::Path;

use super::model::{check, write_file};
use super::weights::Fill;
use super::write::{Tensor, Value};
use super::{MakeError, Shape, Weight};

/// The number of the first random stream: behind those of every model, so that an adapter does not
/// repeat the weights of the model with its seed.
const FIRST_STREAM: usize = 1 << 20;

/// Writes an adapter of rank `rank` for models of this shape, strong enough to change what they
/// say.
///
/// # Errors
/// [`MakeError::Shape`] before anything is written, [`MakeError::Io`] when writing fails.
pub fn write_adapter(shape: &Shape, rank: u32, path: &Path) -> Result<(), MakeError> {
    check(shape)?;
    if rank == 0 {
        return Err(MakeError::Shape("rank: at least 1".to_owned()));
    }
    let tensors: Vec<_> = (0..shape.n_layer).flat_map(|layer| pair(shape, rank, layer)).collect();
    write_file(path, &pairs(shape, rank), &tensors, shape.seed, FIRST_STREAM)
        .map_err(|source| MakeError::Io { path: path.to_owned(), source })
}

fn pairs(shape: &Shape, rank: u32) -> Vec<(String, Value)> {
    let text = |text: &str| Value::Str(text.to_owned());
    let named = [
        ("general.type", text("adapter")),
        ("general.architecture", text("llama")),
        ("general.name", text(&shape.name)),
        ("adapter.type", text("lora")),
        // The engine multiplies by alpha over rank.
        ("adapter.lora.alpha", Value::F32(rank as f32)),
    ];
    named.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Both halves for one layer: together a matrix of unit gain, as the projection itself.
fn pair(shape: &Shape, rank: u32, layer: usize) -> [(Tensor, Fill); 2] {
    let (n_embd, rank) = (shape.n_embd as u64, u64::from(rank));
    let n_query = (shape.n_head * shape.head_dim) as u64;
    let half = |half: &str, columns: u64, rows| {
        let name = format!("blk.{layer}.attn_q.weight.lora_{half}");
        let fill = Fill::Noise { std: 1.0 / (columns as f32).sqrt(), mute: 0..0 };
        (Tensor { name, dims: vec![columns, rows], weight: Weight::F32 }, fill)
    };
    [half("a", n_embd, rank), half("b", rank, n_query)]
}
