//! From a shape to files.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::rng::SplitMix;
use super::tensors::tensors;
use super::vocab::{self, Vocab};
use super::weights::{Fill, write_tensor};
use super::write::{BLOCK, Tensor, Value, header};
use super::{MakeError, Shape, Weight};

/// Bytes between two write calls.
const WRITE_BUFFER: usize = 1 << 20;
/// Writes the model that `shape` describes to `path` and returns the files it consists of.
///
/// With `split` set, `x.gguf` becomes `x-00001-of-0000N.gguf` and so on; a loader is given the
/// first. Memory stays near the size of the vocabulary, whatever the size of the model.
///
/// # Errors
/// [`MakeError::Shape`] before anything is written, [`MakeError::Io`] when writing fails.
pub fn write_model(shape: &Shape, path: &Path) -> Result<Vec<PathBuf>, MakeError> {
    check(shape)?;
    let vocab = vocab::build(shape)?;
    let tensors = tensors(shape, &vocab);
    let n_files = usize::from(shape.split.unwrap_or(1));
    let mut paths = Vec::with_capacity(n_files);
    for index in 0..n_files {
        let from = index * tensors.len() / n_files;
        let part = &tensors[from..(index + 1) * tensors.len() / n_files];
        let mut pairs = if index == 0 { pairs(shape, &vocab) } else { Vec::new() };
        pairs.extend(split_pairs(shape, index, tensors.len()));
        let to = part_path(path, shape.split, index);
        write_file(&to, &pairs, part, shape.seed, from)
            .map_err(|source| MakeError::Io { path: to.clone(), source })?;
        paths.push(to);
    }
    Ok(paths)
}

/// Writes a file with the metadata and the vocabulary of `shape` and no tensor at all.
///
/// # Errors
/// As [`write_model`].
pub fn write_vocab(shape: &Shape, path: &Path) -> Result<(), MakeError> {
    check(shape)?;
    let vocab = vocab::build(shape)?;
    write_file(path, &pairs(shape, &vocab), &[], shape.seed, 0)
        .map_err(|source| MakeError::Io { path: path.to_owned(), source })
}

/// The pairs and the tensor directory of a file.
pub(super) type Plan = (Vec<(String, Value)>, Vec<Tensor>);

/// The plan of the whole model, for files that are broken on purpose.
pub(super) fn plan(shape: &Shape) -> Result<Plan, MakeError> {
    check(shape)?;
    let vocab = vocab::build(shape)?;
    let tensors = tensors(shape, &vocab).into_iter().map(|(tensor, _)| tensor).collect();
    Ok((pairs(shape, &vocab), tensors))
}

pub(super) fn check(shape: &Shape) -> Result<(), MakeError> {
    let fail = |text: String| Err(MakeError::Shape(text));
    if shape.n_head_kv == 0 || !shape.n_head.is_multiple_of(shape.n_head_kv) {
        return fail(format!("n_head_kv {} does not divide n_head", shape.n_head_kv));
    }
    if !shape.head_dim.is_multiple_of(2) {
        return fail(format!("head_dim {} is odd", shape.head_dim));
    }
    if shape.split.is_some_and(|n| n == 0 || usize::from(n) > 3 + 9 * shape.n_layer) {
        return fail("split: at least one file, at most one for each tensor".to_owned());
    }
    let rows = [shape.n_embd, shape.n_ff, shape.n_head * shape.head_dim];
    let in_blocks = matches!(shape.weight, Weight::Q8_0 | Weight::Q4_0);
    if in_blocks && rows.iter().any(|n| !n.is_multiple_of(BLOCK)) {
        return fail(format!("blocks need rows of a multiple of {BLOCK}, got {rows:?}"));
    }
    Ok(())
}

fn part_path(path: &Path, split: Option<u16>, index: usize) -> PathBuf {
    let Some(count) = split else {
        return path.to_owned();
    };
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-{:05}-of-{count:05}.gguf", index + 1))
}

fn split_pairs(shape: &Shape, index: usize, n_tensors: usize) -> Vec<(String, Value)> {
    let Some(count) = shape.split else {
        return Vec::new();
    };
    let small = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let n_tensors = i32::try_from(n_tensors).unwrap_or(i32::MAX);
    let named = [
        ("split.no", Value::U16(small(index))),
        ("split.count", Value::U16(count)),
        ("split.tensors.count", Value::I32(n_tensors)),
    ];
    named.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Everything a loader wants to know before the first tensor.
fn pairs(shape: &Shape, vocab: &Vocab) -> Vec<(String, Value)> {
    let number = |n: usize| Value::U32(u32::try_from(n).unwrap_or(u32::MAX));
    let file_type = match shape.weight {
        Weight::F32 => 0,
        Weight::F16 => 1,
        Weight::Q8_0 => 7,
        Weight::Q4_0 => 2,
    };
    let named = [
        ("general.architecture", Value::Str("llama".to_owned())),
        ("general.name", Value::Str(shape.name.clone())),
        ("general.file_type", Value::U32(file_type)),
        ("llama.vocab_size", number(shape.n_vocab)),
        ("llama.context_length", Value::U32(shape.n_ctx)),
        ("llama.embedding_length", number(shape.n_embd)),
        ("llama.block_count", number(shape.n_layer)),
        ("llama.feed_forward_length", number(shape.n_ff)),
        ("llama.attention.head_count", number(shape.n_head)),
        ("llama.attention.head_count_kv", number(shape.n_head_kv)),
        ("llama.attention.key_length", number(shape.head_dim)),
        ("llama.attention.value_length", number(shape.head_dim)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("llama.rope.dimension_count", number(shape.head_dim)),
        ("llama.rope.freq_base", Value::F32(10_000.0)),
    ];
    let mut pairs: Vec<_> = named.map(|(name, value)| (name.to_owned(), value)).into();
    pairs.extend(vocab.pairs.iter().cloned());
    pairs
}

pub(super) fn write_file(
    path: &Path,
    pairs: &[(String, Value)],
    tensors: &[(Tensor, Fill)],
    seed: u64,
    first_stream: usize,
) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(WRITE_BUFFER, File::create(path)?);
    let directory: Vec<Tensor> = tensors.iter().map(|(tensor, _)| tensor.clone()).collect();
    out.write_all(&header(pairs, &directory))?;
    for ((tensor, fill), stream) in tensors.iter().zip(first_stream as u64..) {
        write_tensor(&mut out, tensor, fill, &mut SplitMix::new(seed, stream))?;
    }
    out.flush()
}
