//! Small changes to bytes that were right.

use core_tests::gguf::rng::SplitMix;

/// Numbers at which counting and comparing go wrong.
const EDGES: [u64; 10] =
    [0, 1, 0x7f, 0xfb, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 63, u64::MAX];
/// Changes to one input.
const CHANGES_MAX: usize = 4;

/// Changes `bytes` in a few places: bits, bytes, numbers, and pieces left out or said twice.
pub(crate) fn mutate(bytes: &mut Vec<u8>, noise: &mut SplitMix) {
    for _ in 0..=noise.below(CHANGES_MAX) {
        if bytes.is_empty() {
            bytes.push(noise.byte());
        }
        let at = noise.below(bytes.len());
        match noise.below(8) {
            0..=2 => bytes[at] ^= 1 << noise.below(8),
            3 => bytes[at] = noise.byte(),
            4 => {
                let edge = EDGES[noise.below(EDGES.len())].to_le_bytes();
                let width = (1 << noise.below(4)).min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&edge[..width]);
            }
            5 => bytes.truncate(at),
            6 => drop(bytes.drain(at..(at + 1 + noise.below(8)).min(bytes.len()))),
            _ => {
                let end = (at + 1 + noise.below(16)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
}
