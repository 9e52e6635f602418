//! What a peer did that no correct peer does.

use thiserror::Error;

/// A broken promise of the peer. The ring that saw it is poisoned: every later call answers the
/// same violation, and the peer has to be killed, because nothing it wrote can be believed.
///
/// Carries numbers only, never bytes of the peer, so that it may be logged as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Violation {
    /// A position is not a multiple of eight.
    #[error("position {position} is not a multiple of 8")]
    Misaligned {
        /// The position in shared memory.
        position: u64,
    },
    /// The producer's tail is behind one that it published before.
    #[error("tail {tail} is behind {seen}, which was published before")]
    TailBackwards {
        /// The tail in shared memory.
        tail: u64,
        /// The tail seen before.
        seen: u64,
    },
    /// The producer's tail is further ahead than its ring is long.
    #[error("tail {tail} is more than {capacity} bytes after head {head}")]
    TailBeyond {
        /// The tail in shared memory.
        tail: u64,
        /// The reader's own position.
        head: u64,
        /// Data bytes of the ring.
        capacity: u64,
    },
    /// The consumer's head is behind one that it published before.
    #[error("head {head} is behind {seen}, which was published before")]
    HeadBackwards {
        /// The head in shared memory.
        head: u64,
        /// The head seen before.
        seen: u64,
    },
    /// The consumer claims to have read what was never published.
    #[error("head {head} is after tail {tail}")]
    HeadBeyond {
        /// The head in shared memory.
        head: u64,
        /// The writer's own published position.
        tail: u64,
    },
    /// A header has bits set that are always zero.
    #[error("header has bits {bits:#x} set that must be zero")]
    HeaderBits {
        /// The 24 high bits of the header.
        bits: u64,
    },
    /// A record's kind is none of the agreed ones.
    #[error("record kind {kind} is not within 1 to {limit}")]
    Kind {
        /// The kind in the header.
        kind: u8,
        /// The highest kind.
        limit: u8,
    },
    /// A record is longer than an eighth of its ring.
    #[error("record of {bytes} bytes is over the limit of {limit}")]
    Length {
        /// Bytes of the record with its header.
        bytes: u64,
        /// The most a record may take.
        limit: u64,
    },
    /// The tail stands inside a record.
    #[error("record of {bytes} bytes, but only {published} are published")]
    Torn {
        /// Bytes of the record with its header.
        bytes: u64,
        /// Bytes up to the tail.
        published: u64,
    },
    /// The bytes that fill a record's last word are not zero.
    #[error("padding of a record of {length} payload bytes is not zero")]
    Padding {
        /// Payload bytes of the record.
        length: u64,
    },
    /// The bell rang time after time with nothing in the ring.
    #[error("bell rang {count} times in a row with nothing in the ring")]
    EmptyWakeups {
        /// Wake-ups in a row.
        count: u32,
    },
    /// The owner of the ring found the meaning of a record wrong and gave the peer up.
    #[error("a record was well formed but its meaning was refused")]
    Meaning,
}
