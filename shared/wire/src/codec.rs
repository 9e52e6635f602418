//! bincode, and nothing else of the workspace names it (decision D13).
//!
//! Little endian, variable-length integers, enums tagged by their index. bincode counts decoded
//! bytes against a limit, ignores that limit when encoding, and accepts trailing bytes: so callers
//! check lengths before they get here, and the count of consumed bytes is compared here.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::limits::DECODED_BYTES_MAX;

type Config<const LIMIT: usize> = Configuration<LittleEndian, Varint, Limit<LIMIT>>;

/// Decoded bytes for each encoded one: a number of eight bytes may be written as one, and counts
/// come on top.
const EXPANSION: usize = 32;

/// Bytes of a message that is small: most requests, and every record of a step.
const SMALL_BYTES: usize = 4 << 10;

/// Bytes of a message that is as long as a client's may be unless configured otherwise.
const USUAL_BYTES: usize = 1 << 20;

const _: () = assert!(USUAL_BYTES * EXPANSION <= DECODED_BYTES_MAX);

fn config<const LIMIT: usize>() -> Config<LIMIT> {
    bincode::config::standard().with_limit::<LIMIT>()
}

/// Why bytes are no value, or a value has no bytes.
#[derive(Debug, Error)]
pub enum CodecError {
    /// The bytes do not have the shape of the type; bincode's words name shapes, not content.
    #[error("bytes do not decode: not the shape of the expected message")]
    Shape,
    /// Something follows the value.
    #[error("{extra} bytes follow the message; none may")]
    Trailing {
        /// How many.
        extra: usize,
    },
    /// The value cannot be written.
    #[error("message does not encode")]
    Encode,
}

/// The bytes of `value`.
///
/// # Errors
/// [`CodecError::Encode`] for a type that bincode cannot write (none of this crate is one).
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    bincode::serde::encode_to_vec(value, config::<DECODED_BYTES_MAX>())
        .map_err(|_| CodecError::Encode)
}

/// Appends the bytes of `value` to `out`, so that a hot path can reuse one buffer.
///
/// # Errors
/// As [`encode`].
pub fn encode_into<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<usize, CodecError> {
    bincode::serde::encode_into_std_write(value, out, config::<DECODED_BYTES_MAX>())
        .map_err(|_| CodecError::Encode)
}

/// Reads exactly one value from all of `bytes`.
///
/// bincode allocates what a length within them announces, up to its limit, before it looks whether
/// so much is there. So the limit goes with the length of the message: thirty bytes must not make
/// anybody allocate eighty megabytes.
///
/// # Errors
/// [`CodecError::Shape`] when they are no `T`, [`CodecError::Trailing`] when more follows.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    match bytes.len() {
        length if length <= SMALL_BYTES => limited::<T, { SMALL_BYTES * EXPANSION }>(bytes),
        length if length <= USUAL_BYTES => limited::<T, { USUAL_BYTES * EXPANSION }>(bytes),
        _ => limited::<T, DECODED_BYTES_MAX>(bytes),
    }
}

fn limited<T: DeserializeOwned, const LIMIT: usize>(bytes: &[u8]) -> Result<T, CodecError> {
    let read = bincode::serde::decode_from_slice(bytes, config::<LIMIT>());
    let (value, used) = read.map_err(|_| CodecError::Shape)?;
    match bytes.len() - used {
        0 => Ok(value),
        extra => Err(CodecError::Trailing { extra }),
    }
}
