//! Why the process must end: a broken promise, of a caller or of the machine. Death is the
//! recovery; the broker's journal replays what ran.

use core_ring::{PushError, Violation};
use core_wire::{codec::CodecError, worker::BadRecord};
use thiserror::Error;

/// A fault: whoever sees one ends the process. Its text never holds a peer's words.
#[derive(Debug, Error)]
pub(crate) enum Fault {
    /// A record could not be written into ring W.
    #[error("cannot write into ring W: {0}")]
    Push(#[from] PushError),
    /// Ring B is broken.
    #[error("ring B is broken: {0}")]
    Ring(#[from] Violation),
    /// futex(2) failed.
    #[error("cannot wait for the broker: {0}")]
    Park(#[from] std::io::Error),
    /// A record of the broker is none.
    #[error("the broker wrote a record that is none: {0}")]
    Record(#[from] BadRecord),
    /// A record of ours could not be encoded.
    #[error("cannot encode a record: {0}")]
    Encode(#[from] CodecError),
    /// A record came when it may not.
    #[error("the broker wrote {what} when it may not")]
    OutOfTurn {
        /// Which.
        what: &'static str,
    },
    /// A record that was due did not come.
    #[error("{what} was due from the broker and did not come")]
    Missing {
        /// Which.
        what: &'static str,
    },
    /// The engine answered what it never may: its state can no longer be trusted.
    #[error("the engine failed: {what}")]
    Engine {
        /// What it did.
        what: &'static str,
    },
    /// The KV cache did not free a whole sequence.
    #[error("the KV cache kept a sequence that ended")]
    Residue,
}
