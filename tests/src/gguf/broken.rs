//! Files that must be refused, or must end one worker and nothing else.
//!
//! Shapes come from known weaknesses of GGUF readers: counts and lengths that promise more than
//! the file holds, products and sums that wrap around, and metadata that contradicts itself.

use std::fs;
use std::path::Path;

use clap::ValueEnum;

use super::model::plan;
use super::rng::SplitMix;
use super::write::{Bytes, MAGIC, Tensor, Value, header, padding};
use super::{MakeError, Shape, Weight};

/// Length of the file of random bytes: more than any header that a reader takes in at once.
const GARBAGE_BYTES: usize = 1 << 16;
/// A count that no file can hold and that still fits every signed type of 64 bits.
const HUGE: u64 = 1 << 40;
/// Tensor with 2^61 floats: 2^63 bytes, two of which are zero bytes modulo 2^64.
const HALF_OF_ALL: u64 = 1 << 61;

/// One way to be broken; [`Broken::value_variants`] is the whole corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "each name says it; the table below says the rest")]
pub enum Broken {
    Empty,
    Garbage,
    WrongMagic,
    FutureVersion,
    TruncatedHeader,
    Truncated,
    HugeNKv,
    HugeNTensors,
    HugeString,
    HugeArray,
    NestedArray,
    OverflowDims,
    OverflowSizes,
    OffsetOutside,
    OddAlignment,
    DuplicateKey,
    WrongType,
    UnknownArch,
    HugeLayers,
    ZeroHeads,
    ShortTokenTypes,
    NoTokens,
    BadMerges,
    BadTokenIds,
    MissingTensor,
    WrongTensorShape,
    MissingSplits,
    SelfSplit,
}

impl Broken {
    /// Whether llama.cpp at the pinned version loads the file all the same, because it repairs or
    /// ignores what is wrong. Such a file need not be refused, but it must harm nobody.
    pub fn is_tolerated(self) -> bool {
        matches!(self, Self::BadMerges | Self::BadTokenIds)
    }
}

/// Writes one broken file.
///
/// # Errors
/// [`MakeError::Io`] when writing fails.
pub fn write_broken(kind: Broken, path: &Path) -> Result<(), MakeError> {
    fs::write(path, bytes(kind)?).map_err(|source| MakeError::Io { path: path.to_owned(), source })
}

fn bytes(kind: Broken) -> Result<Vec<u8>, MakeError> {
    let (pairs, tensors) = plan(&Shape::tiny())?;
    let whole = || with_data(&pairs, &tensors);
    Ok(match kind {
        Broken::Empty => Vec::new(),
        Broken::Garbage => garbage(),
        Broken::WrongMagic => patched(whole(), 0, b"GGML"),
        Broken::FutureVersion => patched(whole(), MAGIC.len(), &99u32.to_le_bytes()),
        Broken::TruncatedHeader => cut(whole(), header(&pairs, &tensors).len() / 2),
        Broken::Truncated => cut(whole(), whole().len() / 2),
        Broken::HugeNKv => patched(whole(), 16, &HUGE.to_le_bytes()),
        Broken::HugeNTensors => patched(whole(), 8, &HUGE.to_le_bytes()),
        Broken::HugeString => lone_pair(|bytes| bytes.u64(u64::MAX)),
        Broken::HugeArray => lone_pair(|bytes| array(bytes, 5, HUGE)),
        Broken::NestedArray => lone_pair(|bytes| array(bytes, 9, 1)),
        Broken::OverflowDims => directory(&[(vec![1 << 32, 1 << 32, 1 << 32], 0)]),
        Broken::OverflowSizes => directory(&[
            (vec![HALF_OF_ALL], 0),
            (vec![HALF_OF_ALL], HALF_OF_ALL.wrapping_mul(4)),
            (vec![8], 0),
        ]),
        Broken::OffsetOutside => directory(&[(vec![8], HUGE)]),
        other => return edited(other),
    })
}

/// A whole model with one thing changed; all weights are zero.
fn edited(kind: Broken) -> Result<Vec<u8>, MakeError> {
    let (mut pairs, mut tensors) = plan(&Shape::tiny())?;
    let mut set = |key: &str, value: Value| {
        pairs.retain(|(name, _)| name != key);
        pairs.push((key.to_owned(), value));
    };
    match kind {
        Broken::OddAlignment => set("general.alignment", Value::U32(3)),
        Broken::WrongType => set("general.architecture", Value::U32(7)),
        Broken::UnknownArch => set("general.architecture", Value::Str("no-such-arch".to_owned())),
        Broken::HugeLayers => set("llama.block_count", Value::U32(u32::MAX)),
        Broken::ZeroHeads => set("llama.attention.head_count", Value::U32(0)),
        Broken::ShortTokenTypes => set("tokenizer.ggml.token_type", Value::I32s(vec![1; 7])),
        Broken::NoTokens => set("tokenizer.ggml.tokens", Value::Strs(Vec::new())),
        Broken::BadMerges => set("tokenizer.ggml.merges", Value::Strs(vec!["x".to_owned(); 9])),
        Broken::BadTokenIds => set("tokenizer.ggml.bos_token_id", Value::U32(u32::MAX - 1)),
        Broken::MissingSplits => set("split.count", Value::U16(3)),
        Broken::SelfSplit => {
            set("split.count", Value::U16(2));
            set("split.no", Value::U16(0));
        }
        Broken::DuplicateKey => pairs.extend_from_within(..1),
        Broken::MissingTensor => tensors.truncate(tensors.len() - 1),
        _ => tensors[0].dims.swap(0, 1),
    }
    Ok(with_data(&pairs, &tensors))
}

pub(super) fn with_data(pairs: &[(String, Value)], tensors: &[Tensor]) -> Vec<u8> {
    let mut bytes = header(pairs, tensors);
    let data: u64 = tensors.iter().map(|t| t.n_bytes() + padding(t.n_bytes())).sum();
    bytes.resize(bytes.len() + usize::try_from(data).unwrap_or(0), 0);
    bytes
}

fn garbage() -> Vec<u8> {
    let mut rng = SplitMix::new(0, 0);
    (0..GARBAGE_BYTES / 8).flat_map(|_| rng.draw().to_le_bytes()).collect()
}

fn patched(mut bytes: Vec<u8>, at: usize, patch: &[u8]) -> Vec<u8> {
    bytes[at..at + patch.len()].copy_from_slice(patch);
    bytes
}

fn cut(mut bytes: Vec<u8>, len: usize) -> Vec<u8> {
    bytes.truncate(len);
    bytes
}

/// A file of one pair, written by `write`, and nothing behind it.
fn lone_pair(write: impl FnOnce(&mut Bytes)) -> Vec<u8> {
    let mut bytes = Bytes::start(0, 1);
    write(&mut bytes);
    bytes.0
}

/// An array pair that promises `n` elements of `kind` and holds none.
fn array(bytes: &mut Bytes, kind: u32, n: u64) {
    bytes.str("tokenizer.ggml.token_type");
    bytes.u32(9);
    bytes.u32(kind);
    bytes.u64(n);
}

/// A directory of F32 tensors with these dimensions and offsets, and a little data.
fn directory(entries: &[(Vec<u64>, u64)]) -> Vec<u8> {
    let architecture = Value::Str("llama".to_owned());
    let mut bytes = Bytes::start(entries.len() as u64, 1);
    bytes.pair("general.architecture", &architecture);
    for (index, (dims, offset)) in entries.iter().enumerate() {
        let name = format!("blk.{index}.attn_norm.weight");
        bytes.tensor(&Tensor { name, dims: dims.clone(), weight: Weight::F32 }, *offset);
    }
    bytes.pad();
    bytes.0.resize(bytes.0.len() + 64, 0);
    bytes.0
}
