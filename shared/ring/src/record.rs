//! The record header: pure arithmetic, no memory.
//!
//! One word: bits 0 to 31 the payload's length in bytes, bits 32 to 39 the kind, bits 40 to 63
//! zero. The payload follows, filled with zeros to a multiple of eight.

#[cfg(test)]
mod tests;

use crate::layout::{Lane, WORD};
use crate::violation::Violation;

const LENGTH_MASK: u64 = 0xffff_ffff;
const KIND_SHIFT: u32 = 32;
const RESERVED_SHIFT: u32 = 40;

/// A header that was checked against the limits of its ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Payload bytes.
    pub(crate) length: u64,
    /// Within 1 to the lane's `kind_max`.
    pub(crate) kind: u8,
}

impl Header {
    /// The word that goes into the ring.
    pub(crate) fn encode(self) -> u64 {
        self.length | u64::from(self.kind) << KIND_SHIFT
    }

    /// Parses a word of a peer. `published` is the number of bytes from the header to the tail.
    pub(crate) fn parse(word: u64, lane: Lane, published: u64) -> Result<Self, Violation> {
        let bits = word >> RESERVED_SHIFT;
        if bits != 0 {
            // guard
            return Err(Violation::HeaderBits { bits });
        }
        let [_, _, _, _, kind, ..] = word.to_le_bytes();
        let limit = lane.kind_max;
        if kind == 0 || kind > limit {
            // guard
            return Err(Violation::Kind { kind, limit });
        }
        let header = Self { length: word & LENGTH_MASK, kind };
        let bytes = record_bytes(header.length);
        if bytes > lane.record_max {
            // guard
            return Err(Violation::Length { bytes, limit: lane.record_max });
        }
        if bytes > published {
            // guard
            return Err(Violation::Torn { bytes, published });
        }
        Ok(header)
    }
}

/// Bytes that a payload of `length` takes in the ring: header, payload, zeros up to eight.
///
/// `length` is below 2^32 for a header and a slice's length for a payload, so this cannot overflow.
pub(crate) const fn record_bytes(length: u64) -> u64 {
    let word = WORD as u64;
    length.div_ceil(word) * word + word
}
