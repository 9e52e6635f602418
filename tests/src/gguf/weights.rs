//! Random weights, streamed: memory stays at one chunk whatever the size of the tensor.
//!
//! Values are uniform. A uniform variable on [-a, a] has the standard deviation a / sqrt(3).

use std::io::{self, Write};
use std::ops::Range;

use super::Weight;
use super::rng::SplitMix;
use super::write::{BLOCK, Tensor, padding};

/// Bytes produced between two writes; large enough to hide the call, small enough for a cache.
const CHUNK_BYTES: usize = 1 << 16;
/// Standard deviation of an integer drawn uniformly from -127..=127.
const Q8_STD: f32 = 73.3;
/// Standard deviation of what [`q4_block`] draws: -7 to 7, zero twice as often as the others.
const Q4_STD: f32 = 4.18;
/// The nibble that stands for zero.
const Q4_ZERO: u64 = 8;

/// What a tensor is filled with.
pub(super) enum Fill {
    /// All ones: the weight of a norm.
    Ones,
    /// Noise of this standard deviation, except the rows in `mute`, which are zero.
    Noise { std: f32, mute: Range<u64> },
}

/// Writes the data of `tensor` and its padding.
pub(super) fn write_tensor(
    out: &mut impl Write,
    tensor: &Tensor,
    fill: &Fill,
    rng: &mut SplitMix,
) -> io::Result<()> {
    match fill {
        Fill::Ones => {
            for _ in 0..tensor.dims.iter().product() {
                out.write_all(&1f32.to_le_bytes())?;
            }
        }
        Fill::Noise { std, mute } => {
            let rows = tensor.dims.get(1).copied().unwrap_or(1);
            let row_bytes = tensor.n_bytes() / rows.max(1);
            noise(out, tensor.weight, mute.start * row_bytes, *std, rng)?;
            zeros(out, (mute.end - mute.start) * row_bytes)?;
            noise(out, tensor.weight, (rows - mute.end) * row_bytes, *std, rng)?;
        }
    }
    zeros(out, padding(tensor.n_bytes()))
}

fn zeros(out: &mut impl Write, n_bytes: u64) -> io::Result<()> {
    io::copy(&mut io::Read::take(io::repeat(0), n_bytes), out).map(|_| ())
}

/// Writes `n_bytes` of noise; always a whole number of weights or blocks.
fn noise(
    out: &mut impl Write,
    weight: Weight,
    n_bytes: u64,
    std: f32,
    rng: &mut SplitMix,
) -> io::Result<()> {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES + 2 * BLOCK);
    let mut left = n_bytes;
    while left > 0 {
        chunk.clear();
        let want = left.min(CHUNK_BYTES as u64);
        while (chunk.len() as u64) < want {
            match weight {
                Weight::F32 => chunk.extend_from_slice(&uniform(rng, std).to_le_bytes()),
                Weight::F16 => chunk.extend_from_slice(&half(uniform(rng, std)).to_le_bytes()),
                Weight::Q8_0 => q8_block(&mut chunk, std, rng),
                Weight::Q4_0 => q4_block(&mut chunk, std, rng),
            }
        }
        out.write_all(&chunk)?;
        left = left.saturating_sub(chunk.len() as u64);
    }
    Ok(())
}

fn uniform(rng: &mut SplitMix, std: f32) -> f32 {
    // 24 bits are what an f32 can tell apart in [0, 1).
    let unit = (rng.draw() >> 40) as f32 / (1 << 24) as f32;
    (2.0 * unit - 1.0) * std * 3f32.sqrt()
}

/// One block: a scale that gives the wanted deviation, then 32 bytes straight from the generator.
fn q8_block(chunk: &mut Vec<u8>, std: f32, rng: &mut SplitMix) {
    chunk.extend_from_slice(&half(std / Q8_STD).to_le_bytes());
    for _ in 0..BLOCK / 8 {
        // ggml never produces -128: it becomes -127.
        let bytes = rng.draw().to_le_bytes().map(|b| if b == 0x80 { 0x81 } else { b });
        chunk.extend_from_slice(&bytes);
    }
}

/// One block: a scale, then 16 bytes of two weights each; a nibble stands for itself less 8.
fn q4_block(chunk: &mut Vec<u8>, std: f32, rng: &mut SplitMix) {
    chunk.extend_from_slice(&half(std / Q4_STD).to_le_bytes());
    for _ in 0..BLOCK / 16 {
        let drawn = rng.draw();
        // Without -8, which has no counterpart: the mean stays zero.
        let fold = |nibble: u64| if nibble == 0 { Q4_ZERO } else { nibble };
        let nibbles = (0..16).map(|at| fold(drawn >> (4 * at) & 15) << (4 * at));
        chunk.extend_from_slice(&nibbles.sum::<u64>().to_le_bytes());
    }
}

/// The half-precision bits of `x`, rounded half up. Values below the normal range become zero, and
/// the weights here are far below its upper end.
pub(super) fn half(x: f32) -> u16 {
    let bits = x.to_bits();
    let sign = (bits >> 16) & 0x8000;
    let rounded = (bits & 0x7fff_ffff) + 0x1000;
    // Rebias the exponent from 127 to 15 in place; 10 of the 23 mantissa bits stay.
    let magnitude = (rounded >> 13).saturating_sub((127 - 15) << 10);
    let normal = if magnitude < 0x400 { 0 } else { magnitude.min(0x7bff) };
    u16::try_from(sign | normal).unwrap_or(0x7bff)
}
