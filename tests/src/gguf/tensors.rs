//! Which tensors a llama model has, and what fills them.

use super::vocab::Vocab;
use super::weights::Fill;
use super::write::Tensor;
use super::{EndOfText, Shape, Weight};

/// Logits are this many standard deviations of a unit normal wide: peaked enough to sample from,
/// and a greedy choice is rarely within rounding noise of the second.
const LOGIT_STD: f32 = 3.0;

/// The tensors of the whole model in file order, each with what fills it.
pub(super) fn tensors(shape: &Shape, vocab: &Vocab) -> Vec<(Tensor, Fill)> {
    let blocks = (0..shape.n_layer).flat_map(|layer| block(shape, layer));
    edges(shape, vocab).into_iter().chain(blocks).collect()
}

fn block(shape: &Shape, layer: usize) -> [(Tensor, Fill); 9] {
    let (n_embd, n_ff) = (shape.n_embd as u64, shape.n_ff as u64);
    let n_query = (shape.n_head * shape.head_dim) as u64;
    let n_key = (shape.n_head_kv * shape.head_dim) as u64;
    let tensor = |part: &str, dims, weight| {
        let name = format!("blk.{layer}.{part}.weight");
        Tensor { name, dims, weight }
    };
    let norm = |part| (tensor(part, vec![n_embd], Weight::F32), Fill::Ones);
    let matrix = |part, columns: u64, rows| {
        let fill = Fill::Noise { std: 1.0 / (columns as f32).sqrt(), mute: 0..0 };
        (tensor(part, vec![columns, rows], shape.weight), fill)
    };
    [
        norm("attn_norm"),
        matrix("attn_q", n_embd, n_query),
        matrix("attn_k", n_embd, n_key),
        matrix("attn_v", n_embd, n_key),
        matrix("attn_output", n_query, n_embd),
        norm("ffn_norm"),
        matrix("ffn_gate", n_embd, n_ff),
        matrix("ffn_up", n_embd, n_ff),
        matrix("ffn_down", n_ff, n_embd),
    ]
}

/// What lies before and behind the blocks. Embeddings have unit deviation, so that the token
/// itself weighs as much as what the blocks add to it.
fn edges(shape: &Shape, vocab: &Vocab) -> Vec<(Tensor, Fill)> {
    let (n_embd, n_vocab) = (shape.n_embd as u64, shape.n_vocab as u64);
    let mute = match shape.end_of_text {
        EndOfText::Muted => vocab.control.clone(),
        EndOfText::Free => 0..0,
    };
    let std = LOGIT_STD / (n_embd as f32).sqrt();
    let tensor = |name: &str, dims, weight| Tensor { name: format!("{name}.weight"), dims, weight };
    vec![
        (
            tensor("token_embd", vec![n_embd, n_vocab], shape.weight),
            Fill::Noise { std: 1.0, mute: 0..0 },
        ),
        (tensor("output_norm", vec![n_embd], Weight::F32), Fill::Ones),
        (tensor("output", vec![n_embd, n_vocab], shape.weight), Fill::Noise { std, mute }),
    ]
}
