//! A context's file: magic, header, what the worker answered, and an HMAC-SHA256 over all of it.
//!
//! ```text
//! "COREKV1" 1 byte 0 · length of the header u32 · header · state · MAC 32 bytes
//! ```
//!
//! Numbers are little-endian, the header is one message of the codec. Nothing of a file is believed
//! before the MAC over all of it is right, and no more memory is taken than the file has bytes.

use std::io::{self, Read, Write};

use core_wire::codec;
use hmac::Mac as _;
use serde::{Deserialize, Serialize};

use super::{Belongs, CacheError, Place, key::Key};

/// What every file begins with; the digit is the version of the format.
pub(super) const MAGIC: [u8; 8] = *b"COREKV1\0";
/// Bytes of the magic and of the header's length.
pub(super) const PREFIX_BYTES: usize = MAGIC.len() + size_of::<u32>();
/// Bytes of the MAC.
pub(super) const MAC_BYTES: usize = 32;
/// Bytes of a header: ids and names take a few hundred, 64 adapters with the longest file names
/// 16 KiB.
pub(super) const HEADER_BYTES_MAX: usize = 32 << 10;
/// Bytes of a file beside its state at most.
pub(crate) const FILE_EXTRA_MAX: u64 = (PREFIX_BYTES + HEADER_BYTES_MAX + MAC_BYTES) as u64;

/// What a file says of itself.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    uid: u32,
    model: String,
    name: String,
    belongs: Belongs,
    bytes: u64,
    tokens: u32,
}

impl Header {
    /// For a state of so many tokens, which stand in front of it.
    pub(super) fn new(place: &Place, belongs: Belongs, state: &[u8]) -> Result<Self, CacheError> {
        let count = state.first_chunk().ok_or(broken("it holds no count of tokens"))?;
        Ok(Self {
            uid: place.uid,
            model: place.model.as_str().to_owned(),
            name: place.name.as_str().to_owned(),
            belongs,
            bytes: state.len() as u64,
            tokens: u32::from_le_bytes(*count),
        })
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, CacheError> {
        let bytes = codec::encode(self).map_err(io::Error::other)?;
        match bytes.len() {
            0..=HEADER_BYTES_MAX => Ok(bytes),
            length => {
                let text = format!("a header of {length} bytes; at most {HEADER_BYTES_MAX} fit");
                Err(io::Error::other(text).into())
            }
        }
    }

    /// Whether it is what was asked for. A file that is authentic and lies under another name was
    /// put there by somebody.
    pub(super) fn check(&self, place: &Place, belongs: &Belongs) -> Result<(), CacheError> {
        let whose = (self.uid, self.model.as_str(), self.name.as_str());
        if whose != (place.uid, place.model.as_str(), place.name.as_str()) {
            return Err(broken(
                "it was saved under another name, for another model or by another user",
            ));
        }
        match self.belongs.differs(belongs) {
            Some(what) => Err(CacheError::Changed { what }),
            None => Ok(()),
        }
    }
}

/// Bytes of a file with such a header and state.
pub(super) fn bytes(header: usize, state: usize) -> u64 {
    (PREFIX_BYTES + header + state + MAC_BYTES) as u64
}

/// Writes a file.
///
/// # Errors
/// What the file answers.
pub(super) fn write(to: &mut impl Write, header: &[u8], state: &[u8], key: &Key) -> io::Result<()> {
    let length = u32::try_from(header.len()).map_err(io::Error::other)?.to_le_bytes();
    let mut mac = key.mac();
    for part in [&MAGIC[..], &length[..], header, state] {
        mac.update(part);
        to.write_all(part)?;
    }
    to.write_all(&mac.finalize().into_bytes())
}

/// Reads a file of `size` bytes.
///
/// # Errors
/// [`CacheError::Broken`] for all that was not written here or not in this way.
pub(super) fn read(from: impl Read, size: u64, key: &Key) -> Result<(Header, Vec<u8>), CacheError> {
    let mut from = Measured { from, left: size };
    let prefix = from.take(PREFIX_BYTES as u64)?;
    let Some((magic, length)) = prefix.split_first_chunk().filter(|(magic, _)| **magic == MAGIC)
    else {
        return Err(broken("it does not begin as one"));
    };
    let length = length.first_chunk().map_or(u32::MAX, |length| u32::from_le_bytes(*length));
    if length as usize > HEADER_BYTES_MAX {
        return Err(broken("its header is too long"));
    }
    let header = from.take(length.into())?;
    let state = from.take(from.left.checked_sub(MAC_BYTES as u64).ok_or(broken(SHORT))?)?;
    let tag = from.take(MAC_BYTES as u64)?;
    from.end()?;
    let mut mac = key.mac();
    for part in [&magic[..], &length.to_le_bytes(), &header, &state] {
        mac.update(part);
    }
    // Compares in constant time.
    mac.verify_slice(&tag).map_err(|_| broken("it is not as it was written"))?;
    let header: Header = codec::decode(&header).map_err(|_| broken("its header has no meaning"))?;
    if header.bytes != state.len() as u64 {
        return Err(broken("it has another length than it says"));
    }
    Ok((header, state))
}

/// A file that is known to have so many bytes more.
struct Measured<R> {
    from: R,
    left: u64,
}

/// Said of a file that ends too early.
const SHORT: &str = "it is truncated";

impl<R: Read> Measured<R> {
    /// The next bytes. Memory is only taken for what the file has left.
    fn take(&mut self, bytes: u64) -> Result<Vec<u8>, CacheError> {
        self.left = self.left.checked_sub(bytes).ok_or(broken(SHORT))?;
        let mut taken = Vec::new();
        let length = usize::try_from(bytes).map_err(|_| broken("it is longer than it may be"))?;
        taken.try_reserve_exact(length).map_err(io::Error::other)?;
        self.from.by_ref().take(bytes).read_to_end(&mut taken)?;
        if taken.len() != length {
            return Err(broken(SHORT));
        }
        Ok(taken)
    }

    fn end(&mut self) -> Result<(), CacheError> {
        match self.from.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(broken("it grew while it was read")),
        }
    }
}

fn broken(why: &'static str) -> CacheError {
    CacheError::Broken { why }
}
