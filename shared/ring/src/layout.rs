//! What both ends know without asking each other: sizes, word numbers and limits.
//!
//! Nothing here is ever read back from shared memory. A peer that could change a capacity or an
//! offset could lead the other side out of its mapping; constants cannot be changed.

use thiserror::Error;

/// Data bytes of segment B by default: a prompt of the largest frame fits in a few fragments.
pub const B_BYTES_DEFAULT: usize = 2 << 20;

/// Data bytes of segment W by default: thousands of STEP records, more than one second of tokens.
pub const W_BYTES_DEFAULT: usize = 1 << 20;

/// Smallest data area: one page, so that an eighth of it still holds a record with a payload.
pub const RING_BYTES_MIN: usize = 4 << 10;

/// Largest data area: an eighth of it stays far below the 32 bits of a record's length.
pub const RING_BYTES_MAX: usize = 256 << 20;

/// A record takes at most this fraction of its ring, so that eight of them are always in flight
/// and one record never has to wait for an empty ring.
pub const RECORD_FRACTION: usize = 8;

/// Bytes in front of the data of each segment: one page of control words.
pub(crate) const CONTROL_BYTES: usize = 4096;

/// Distance of two control words in bytes: two cache lines, because the adjacent-line prefetcher
/// of x86 moves lines in pairs and would share one between both sides again.
const CONTROL_STRIDE: usize = 128;

/// Bytes of a cell, of a record header, and the alignment of every position.
pub(crate) const WORD: usize = 8;

/// One control word of a segment; the same numbers serve both segments, because each is the
/// producer's side of one ring and the consumer's side of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Control {
    /// Bytes ever produced into the data area of this segment.
    Tail,
    /// Bytes ever consumed from the data area of the *other* segment.
    Head,
    /// The consumer sleeps until the other segment's tail passes this position.
    DataWake,
    /// The producer sleeps until the other segment's head passes this position.
    SpaceWake,
    /// In B the futex that the worker sleeps on, in W the worker's heartbeat.
    Pulse,
}

impl Control {
    /// Number of control words.
    pub(crate) const COUNT: usize = 5;

    /// Offset in the segment, in words.
    pub(crate) const fn word(self) -> usize {
        self as usize * (CONTROL_STRIDE / WORD)
    }
}

const _: () = assert!(Control::COUNT * CONTROL_STRIDE <= CONTROL_BYTES);
const _: () = assert!(usize::BITS == 64, "positions are u64 and index memory");
const _: () = assert!(cfg!(target_endian = "little"), "the futex is the low half of its cell");

/// The private agreement of broker and worker about one pair of rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Data bytes of segment B (jobs); a power of two.
    pub b_bytes: usize,
    /// Data bytes of segment W (tokens); a power of two.
    pub w_bytes: usize,
    /// Highest record kind in either ring. Kinds start at 1: zero is what untouched memory reads
    /// as, so it is refused.
    pub kind_max: u8,
}

/// A layout that cannot be mapped or that would break an assumption of the rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// A ring's size is out of range or no power of two.
    #[error(
        "ring of {bytes} bytes: choose a power of two from {RING_BYTES_MIN} to {RING_BYTES_MAX}"
    )]
    Bytes {
        /// The size asked for.
        bytes: usize,
    },
    /// No record kind would be legal.
    #[error("highest record kind is 0, which is no kind: name at least one")]
    NoKinds,
}

impl Layout {
    /// The default sizes with the kinds of the caller's messages.
    #[must_use]
    pub const fn new(kind_max: u8) -> Self {
        Self { b_bytes: B_BYTES_DEFAULT, w_bytes: W_BYTES_DEFAULT, kind_max }
    }

    /// Bytes of both segments, control words included.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.b_bytes + self.w_bytes + 2 * CONTROL_BYTES
    }

    /// Longest payload of a job record in bytes.
    #[must_use]
    pub const fn job_payload_max(&self) -> usize {
        self.b_bytes / RECORD_FRACTION - WORD
    }

    /// Longest payload of a token record in bytes.
    #[must_use]
    pub const fn token_payload_max(&self) -> usize {
        self.w_bytes / RECORD_FRACTION - WORD
    }

    pub(crate) fn check(&self) -> Result<(), LayoutError> {
        for bytes in [self.b_bytes, self.w_bytes] {
            let in_range = (RING_BYTES_MIN..=RING_BYTES_MAX).contains(&bytes);
            if !in_range || !bytes.is_power_of_two() {
                return Err(LayoutError::Bytes { bytes });
            }
        }
        if self.kind_max == 0 {
            return Err(LayoutError::NoKinds);
        }
        Ok(())
    }

    pub(crate) fn jobs(&self) -> Lane {
        Lane::new(self.b_bytes, self.kind_max)
    }

    pub(crate) fn tokens(&self) -> Lane {
        Lane::new(self.w_bytes, self.kind_max)
    }
}

/// The limits of one ring, kept in private memory by each end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane {
    /// Data bytes.
    pub(crate) capacity: u64,
    /// Bytes of the largest record with its header.
    pub(crate) record_max: u64,
    /// Highest record kind.
    pub(crate) kind_max: u8,
}

impl Lane {
    fn new(bytes: usize, kind_max: u8) -> Self {
        let record_max = (bytes / RECORD_FRACTION) as u64;
        Self { capacity: bytes as u64, record_max, kind_max }
    }
}
