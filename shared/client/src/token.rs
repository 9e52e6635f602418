//! The secret that client and broker share. It never crosses the socket.

use std::{
    fmt,
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use thiserror::Error;
use zeroize::Zeroizing;

use crate::limits::{TOKEN_BYTES_MAX, TOKEN_BYTES_MIN};

/// Random bytes of a token that is made here, shown as twice as many hexadecimal digits.
const RANDOM_BYTES: usize = 32;
/// Permission bits that nobody but the owner may have.
const FOREIGN_BITS: u32 = 0o077;

/// A token; wiped when it is dropped, never shown.
pub struct Token(Zeroizing<Vec<u8>>);

impl Token {
    /// Takes a token as it is; one trailing newline is dropped, as the broker does.
    ///
    /// # Errors
    /// [`TokenError::Length`] outside of 32 bytes to 64 KiB.
    pub fn new(bytes: Vec<u8>) -> Result<Self, TokenError> {
        let mut bytes = Zeroizing::new(bytes);
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        match bytes.len() {
            TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX => Ok(Self(bytes)),
            bytes => Err(TokenError::Length { bytes }),
        }
    }

    /// A fresh token for a broker of one's own: 256 random bits in hexadecimal, so that it can be
    /// written to a file and never ends in a newline.
    ///
    /// # Errors
    /// [`TokenError::Random`] when the kernel gives no random bytes.
    pub fn random() -> Result<Self, TokenError> {
        let mut seed = Zeroizing::new([0; RANDOM_BYTES]);
        getrandom::fill(seed.as_mut_slice())?;
        let mut digits = Vec::with_capacity(2 * RANDOM_BYTES);
        for byte in seed.iter() {
            digits.extend([hex_digit(byte >> 4), hex_digit(byte & 15)]);
        }
        Self::new(digits)
    }

    /// Reads a token file, which nobody but its owner may be able to read.
    ///
    /// # Errors
    /// [`TokenFileError`], each naming the file.
    pub fn read_file(path: &Path) -> Result<Self, TokenFileError> {
        let failed = |source| TokenFileError::Read { path: path.into(), source };
        let file = File::open(path).map_err(failed)?;
        check_mode(path, &file.metadata().map_err(failed)?)?;
        // All that a token may have, its newline, and one byte to see that it is longer; taken at
        // once, since a buffer that grows leaves copies of the secret behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(TOKEN_BYTES_MAX + 2));
        let most = (TOKEN_BYTES_MAX + 2) as u64;
        file.take(most).read_to_end(&mut bytes).map_err(failed)?;
        Self::new(std::mem::take(&mut *bytes))
            .map_err(|source| TokenFileError::Content { path: path.into(), source })
    }

    /// The secret itself, for the handshake and for the pipe to a broker.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Why bytes are no token.
#[derive(Debug, Error)]
pub enum TokenError {
    /// Too few or too many.
    #[error("a token has {bytes} bytes; {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} are allowed")]
    Length {
        /// How many, without a trailing newline.
        bytes: usize,
    },
    /// The kernel gives no random bytes.
    #[error("no random bytes for a token")]
    Random(#[from] getrandom::Error),
}

/// Why a file gives no token.
#[derive(Debug, Error)]
pub enum TokenFileError {
    /// It cannot be read.
    #[error("the token file {} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// Others may read it, so it is no secret.
    #[error(
        "the token file {} has mode {mode:04o}; 0600 is needed: chmod 600 {0}, and change the \
         token if somebody may have read it", path.display()
    )]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// What is in it is no token.
    #[error("the token file {}: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: TokenError,
    },
}

fn check_mode(path: &Path, metadata: &Metadata) -> Result<(), TokenFileError> {
    match metadata.permissions().mode() & 0o7777 {
        mode if mode & FOREIGN_BITS == 0 => Ok(()),
        mode => Err(TokenFileError::Mode { path: path.into(), mode }),
    }
}

fn hex_digit(nibble: u8) -> u8 {
    b"0123456789abcdef"[usize::from(nibble & 15)]
}
