//! Five hundred files that are not what they say, each the same on every machine.
//!
//! Made from one tiny model: cut off, with bits flipped, with counts, lengths, dimensions, offsets
//! and types that no file can mean, and with the sums of sizes that wrapped around in readers of
//! this format (CVE-2025-53630: the sizes of all tensors; CVE-2026-27940: that sum and the table
//! of tensors in front of it).

use super::broken::with_data;
use super::model::plan;
use super::rng::SplitMix;
use super::write::{Bytes, Tensor, Value, header};
use super::{MakeError, Shape, Weight};

/// How many there are.
pub const DERIVED: usize = 500;

/// Numbers at which counting goes wrong.
const EDGES: [u64; 12] = [
    0,
    1,
    7,
    1 << 16,
    (1 << 31) - 1,
    1 << 31,
    u32::MAX as u64,
    1 << 32,
    (1 << 40) + 1,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// Metadata that a reader computes with.
const KEYS: [&str; 10] = [
    "llama.block_count",
    "llama.context_length",
    "llama.embedding_length",
    "llama.feed_forward_length",
    "llama.attention.head_count",
    "llama.attention.head_count_kv",
    "llama.rope.dimension_count",
    "llama.vocab_size",
    "tokenizer.ggml.eos_token_id",
    "general.alignment",
];

/// One way to be wrong: what it is called, and how many of it there are.
const KINDS: [(&str, usize); 11] = [
    ("cut", 110),
    ("flipped", 120),
    ("replaced", 80),
    ("counts", 24),
    ("strings", 24),
    ("arrays", 30),
    ("dims", 24),
    ("offsets", 18),
    ("types", 20),
    ("sums", 10),
    ("numbers", 40),
];

/// The file of a number below [`DERIVED`], with what is wrong in it.
///
/// # Errors
/// [`MakeError::Shape`]: the number is too high.
pub fn derived(number: usize) -> Result<(&'static str, Vec<u8>), MakeError> {
    let mut left = number;
    for (kind, count) in KINDS {
        if left < count {
            return Ok((kind, bytes(kind, left)?));
        }
        left -= count;
    }
    Err(MakeError::Shape(format!("file {number} of {DERIVED}")))
}

fn bytes(kind: &str, n: usize) -> Result<Vec<u8>, MakeError> {
    let (pairs, tensors) = plan(&Shape::tiny())?;
    let head = header(&pairs, &tensors).len();
    let whole = with_data(&pairs, &tensors);
    let mut noise = SplitMix::new(0x6767_7566, n as u64);
    let edge = EDGES[n % EDGES.len()];
    Ok(match kind {
        "cut" => cut(whole, head, n),
        "flipped" => flipped(whole, head, &mut noise),
        "replaced" => replaced(whole, head, &mut noise),
        // The count of tensors stands at 8, that of pairs at 16.
        "counts" => patched(whole, if n < EDGES.len() { 8 } else { 16 }, edge),
        "strings" => string(edge, n / EDGES.len()),
        "arrays" => array(edge, n),
        "dims" => dims(edge, n),
        "offsets" => offsets(edge, n),
        "types" => types(n),
        "sums" => sums(n),
        _ => numbers(pairs, &tensors, n),
    })
}

/// Mostly within the header, where parsing happens.
fn cut(mut whole: Vec<u8>, head: usize, n: usize) -> Vec<u8> {
    let at = if n < 90 { head * n / 90 } else { head + (whole.len() - head) * (n - 90) / 20 };
    whole.truncate(at);
    whole
}

fn flipped(mut whole: Vec<u8>, head: usize, noise: &mut SplitMix) -> Vec<u8> {
    for _ in 0..=noise.below(3) {
        whole[4 + noise.below(head - 4)] ^= 1 << noise.below(8);
    }
    whole
}

fn replaced(whole: Vec<u8>, head: usize, noise: &mut SplitMix) -> Vec<u8> {
    let at = 4 + noise.below(head - 12);
    patched(whole, at, EDGES[noise.below(EDGES.len())])
}

fn patched(mut whole: Vec<u8>, at: usize, value: u64) -> Vec<u8> {
    whole[at..at + 8].copy_from_slice(&value.to_le_bytes());
    whole
}

/// A length that is promised: of a key, or of a text.
fn string(length: u64, place: usize) -> Vec<u8> {
    let mut bytes = Bytes::start(0, 1);
    if place > 0 {
        bytes.str("general.architecture");
        bytes.u32(8);
    }
    bytes.u64(length);
    bytes.0.extend_from_slice(b"llama");
    bytes.0
}

/// Arrays of arrays, of no type that there is, and of more than there is.
fn array(count: u64, n: usize) -> Vec<u8> {
    let mut bytes = Bytes::start(0, 1);
    bytes.str("tokenizer.ggml.tokens");
    for _ in 0..=n % 4 {
        bytes.u32(9);
    }
    bytes.u32([4, 8, 9, 12, 13, 255, u32::MAX][n % 7]);
    bytes.u64(count);
    bytes.0.resize(bytes.0.len() + 64, 0);
    bytes.0
}

/// A directory of tensors and a little data.
fn directory(entries: &[(Vec<u64>, u64)]) -> Vec<u8> {
    let mut bytes = Bytes::start(entries.len() as u64, 1);
    bytes.pair("general.architecture", &Value::Str("llama".to_owned()));
    for (index, (dims, offset)) in entries.iter().enumerate() {
        let name = format!("blk.{index}.attn_norm.weight");
        bytes.tensor(&Tensor { name, dims: dims.clone(), weight: Weight::F32 }, *offset);
    }
    bytes.pad();
    bytes.0.resize(bytes.0.len() + 256, 0);
    bytes.0
}

/// Dimensions that are none, too many, or too large together.
fn dims(edge: u64, n: usize) -> Vec<u8> {
    let half = edge / 2 + 1;
    directory(&[match n % 6 {
        0 => (vec![edge], 0),
        1 => (vec![edge, edge], 0),
        2 => (vec![half, 2, 2, 2], 0),
        3 => (vec![8, 0, edge], 0),
        4 => (vec![1; 1 + n], 0),
        _ => (Vec::new(), edge),
    }])
}

fn offsets(edge: u64, n: usize) -> Vec<u8> {
    match n % 3 {
        0 => directory(&[(vec![8], edge)]),
        1 => directory(&[(vec![8], 0), (vec![8], edge)]),
        _ => directory(&[(vec![8], 0), (vec![8], edge.wrapping_sub(31))]),
    }
}

/// A tensor of a type that was never given out, or not any more.
fn types(n: usize) -> Vec<u8> {
    let mut bytes = directory(&[(vec![32], 0)]);
    let name = b"attn_norm.weight";
    let at = bytes.windows(name.len()).position(|part| part == name);
    // Behind the name: the count of dimensions, the one dimension, the type.
    let at = at.map_or(0, |at| at + name.len() + 12);
    let kind = [4, 5, 31, 36, 39, 40, 41, 100, 0x7fff_ffff, u32::MAX][n % 10];
    bytes[at..at + 4].copy_from_slice(&kind.to_le_bytes());
    bytes.truncate(bytes.len() - n / 10 * 200);
    bytes
}

/// Sizes that wrap around when they are multiplied, padded or added: to nothing, to a little, to
/// just below everything.
fn sums(n: usize) -> Vec<u8> {
    let quarter = 1_u64 << 60;
    let known: [&[&[u64]]; 6] = [
        // Padded up to the alignment, the size of the first is 0 (a bypass of the first fix).
        &[&[u64::MAX / 4], &[8]],
        // Their product is negative.
        &[&[i64::MAX as u64, 2]],
        // A step of 2^64 bytes from row to row.
        &[&[64, (1 << 42) + 1]],
        &[&[1 << 31, 1 << 31, 2]],
        // All together they have no byte, or few.
        &[&[quarter], &[quarter], &[quarter << 1]],
        &[&[quarter], &[quarter], &[(quarter << 1) + 16]],
    ];
    let mut offset = 0_u64;
    let mut entry = |dims: &[u64]| {
        let entry = (dims.to_vec(), offset);
        let floats = dims.iter().fold(1_u64, |product, &dim| product.wrapping_mul(dim));
        offset = offset.wrapping_add(floats.wrapping_mul(4));
        entry
    };
    match known.get(n) {
        Some(tensors) => directory(&tensors.iter().map(|dims| entry(dims)).collect::<Vec<_>>()),
        // Within reach of the table of tensors that is added to the sum.
        None => {
            let last = (quarter << 1) - (16 << (3 * (n - known.len())));
            let sizes = [[quarter], [quarter], [last]];
            directory(&sizes.iter().map(|dims| entry(dims)).collect::<Vec<_>>())
        }
    }
}

/// A whole model with one number of its metadata changed.
fn numbers(mut pairs: Vec<(String, Value)>, tensors: &[Tensor], n: usize) -> Vec<u8> {
    let key = KEYS[n % KEYS.len()];
    let value = match n / KEYS.len() {
        0 => Value::U32(0),
        1 => Value::U32(u32::MAX),
        2 => Value::I32(-1),
        _ => Value::F32(f32::NAN),
    };
    pairs.retain(|(name, _)| name != key);
    pairs.push((key.to_owned(), value));
    // One more of the same: which one counts is the reader's business.
    pairs.extend_from_within(..n % 2);
    with_data(&pairs, tensors)
}
