//! bincode, and nothing else of the workspace names it (decision D13).
//!
//! Little endian, variable-length integers, enums tagged by their index. bincode counts decoded
//! bytes against a limit, ignores that limit when encoding, and accepts trailing bytes: so callers
//! check lengths before they get here, and the count of consumed bytes is compared here.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::limits::DECODED_BYTES_MAX;

type Config = Configuration<LittleEndian, Varint, Limit<DECODED_BYTES_MAX>>;

fn config() -> Config {
    bincode::config::standard().with_limit::<DECODED_BYTES_MAX>()
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
    bincode::serde::encode_to_vec(value, config()).map_err(|_| CodecError::Encode)
}

/// Appends the bytes of `value` to `out`, so that a hot path can reuse one buffer.
///
/// # Errors
/// As [`encode`].
pub fn encode_into<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<usize, CodecError> {
    bincode::serde::encode_into_std_write(value, out, config()).map_err(|_| CodecError::Encode)
}

/// Reads exactly one value from all of `bytes`.
///
/// # Errors
/// [`CodecError::Shape`] when they are no `T`, [`CodecError::Trailing`] when more follows.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (value, used) =
        bincode::serde::decode_from_slice(bytes, config()).map_err(|_| CodecError::Shape)?;
    match bytes.len() - used {
        0 => Ok(value),
        extra => Err(CodecError::Trailing { extra }),
    }
}
