//! A frame on the socket: a little-endian `u32` length, then that many bytes of one message.

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::codec::{self, CodecError};

/// Bytes of the length in front of every frame.
pub const HEADER_BYTES: usize = 4;

/// Why a frame is refused. On the socket each of these ends the connection.
#[derive(Debug, Error)]
pub enum FrameError {
    /// The announced length is zero or above what this direction allows.
    #[error("a frame announces {bytes} bytes; 1 to {max} are allowed")]
    Length {
        /// The announced or attempted length.
        bytes: usize,
        /// The bound of this direction.
        max: usize,
    },
    /// The body is no message.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// Checks an announced length against `max` before anything is allocated for it.
///
/// # Errors
/// [`FrameError::Length`].
pub fn body_length(header: [u8; HEADER_BYTES], max: usize) -> Result<usize, FrameError> {
    // A u32 fits a usize wherever this runs; where it did not it would be refused as too long.
    let bytes = usize::try_from(u32::from_le_bytes(header)).unwrap_or(usize::MAX);
    check_length(bytes, max)
}

/// Appends `message` to `out` as one frame of at most `max` body bytes; an error changes nothing.
///
/// # Errors
/// [`FrameError::Length`] when the body is larger.
pub fn append<T: Serialize>(
    message: &T,
    max: usize,
    out: &mut Vec<u8>,
) -> Result<usize, FrameError> {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    let written = codec::encode_into(message, out)
        .map_err(FrameError::from)
        .and_then(|bytes| check_length(bytes, max));
    let header = written
        .and_then(|bytes| u32::try_from(bytes).map_err(|_| FrameError::Length { bytes, max }));
    match header {
        Ok(length) => {
            out[start..start + HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
            Ok(out.len() - start)
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

/// Reads the body of one frame.
///
/// # Errors
/// [`FrameError::Codec`].
pub fn read_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    Ok(codec::decode(body)?)
}

fn check_length(bytes: usize, max: usize) -> Result<usize, FrameError> {
    if (1..=max).contains(&bytes) { Ok(bytes) } else { Err(FrameError::Length { bytes, max }) }
}
