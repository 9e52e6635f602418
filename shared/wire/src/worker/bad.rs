//! Why a record of a worker is not accepted, and the checks that find it.

use thiserror::Error;

use super::KIND_MAX;
use crate::codec::CodecError;

/// Why a record is not accepted.
#[derive(Debug, Error)]
pub enum BadRecord {
    /// No message has this kind.
    #[error("record kind {kind} is not known; 1 to {KIND_MAX} are")]
    Kind {
        /// The kind.
        kind: u8,
    },
    /// The payload is no message of its kind.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Something is longer or more than its bound.
    #[error("{what}: {found}; at most {max} is allowed")]
    TooMuch {
        /// What it is.
        what: &'static str,
        /// How much there is.
        found: usize,
        /// The bound.
        max: usize,
    },
    /// A number is not one, or outside its range.
    #[error("{what} is not a number within its range")]
    Number {
        /// What it is.
        what: &'static str,
    },
    /// A text to be shown holds control characters.
    #[error("{what} holds control characters")]
    Control {
        /// What it is.
        what: &'static str,
    },
}

/// Checks a count or length against its bound.
pub(super) fn at_most(what: &'static str, found: usize, max: usize) -> Result<(), BadRecord> {
    if found <= max { Ok(()) } else { Err(BadRecord::TooMuch { what, found, max }) }
}

/// Checks a text that will be shown to people: short, and without terminal control.
pub(super) fn text_fits(what: &'static str, text: &str) -> Result<(), BadRecord> {
    at_most(what, text.len(), crate::limits::WORKER_TEXT_BYTES_MAX)?;
    if text.chars().any(char::is_control) { Err(BadRecord::Control { what }) } else { Ok(()) }
}

pub(super) fn within(what: &'static str, fraction: f32) -> Result<(), BadRecord> {
    if (0.0..=1.0).contains(&fraction) { Ok(()) } else { Err(BadRecord::Number { what }) }
}
