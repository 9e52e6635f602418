//! The token: what a client must hold to speak to this broker.
//!
//! It comes from a descriptor or a file, never from argv or the environment, which anybody on the
//! machine may read in /proc. It is kept in memory that is wiped when it is dropped, is never
//! copied, and has no debug form.

#![forbid(unsafe_code)]

use std::{
    fmt,
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use core_wire::limits::{TOKEN_BYTES_MAX, TOKEN_BYTES_MIN};
use nix::{
    errno::Errno,
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use thiserror::Error;
use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// How long the writer of a descriptor may take to reach its end (contract).
const READ_WITHIN: Duration = Duration::from_secs(5);
/// Room for the longest token, its newline, and one byte that shows it to be too long.
const BUFFER_BYTES: usize = TOKEN_BYTES_MAX + 2;
/// Bits of a mode by which anybody but the owner could read or change the file.
const OTHERS: u32 = 0o077;

/// A token between its bounds.
pub struct Token(Zeroizing<Vec<u8>>);

impl Token {
    /// The bytes, as the key of a MAC.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Why there is no token; each is exit code 78.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The file cannot be opened.
    #[error("the token file {path:?} cannot be opened: {cause}; make it with mode 0600")]
    Open {
        /// Its path.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The path names no regular file.
    #[error("the token file {path:?} is no regular file; use --token-fd for a pipe")]
    Kind {
        /// Its path.
        path: PathBuf,
    },
    /// Somebody else may read or change the file.
    #[error("the token file {path:?} has mode {mode:04o}; 0600 is required: chmod 600 it")]
    Mode {
        /// Its path.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file belongs to somebody else.
    #[error(
        "the token file {path:?} belongs to uid {owner}; it must belong to uid {expected}, which \
         starts the broker, or to root"
    )]
    Owner {
        /// Its path.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who starts the broker.
        expected: u32,
    },
    /// Reading failed.
    #[error("the token cannot be read: {0}")]
    Read(#[from] Errno),
    /// The end did not come.
    #[error(
        "the token did not end within {} s; write it and close the descriptor",
        READ_WITHIN.as_secs()
    )]
    Late,
    /// Too few or too many bytes.
    #[error("the token has {bytes} bytes; {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} are allowed")]
    Length {
        /// How many came, at most one more than is allowed.
        bytes: usize,
    },
}

/// Reads the token from a descriptor to its end, and closes it.
///
/// # Errors
/// [`TokenError`]; exit code 78.
pub fn from_descriptor(descriptor: OwnedFd) -> Result<Token, TokenError> {
    read(descriptor.as_fd(), Instant::now() + READ_WITHIN)
}

/// Reads the token from a regular file of mode 0600 (or less) that belongs to `owner` or to root.
///
/// # Errors
/// [`TokenError`]; exit code 78.
pub fn from_file(path: &Path, owner: u32) -> Result<Token, TokenError> {
    let file = open(path)?;
    let found = file.metadata().map_err(|cause| open_error(path, cause))?;
    if !found.is_file() {
        return Err(TokenError::Kind { path: path.into() });
    }
    if found.uid() != owner && found.uid() != 0 {
        let owner_found = found.uid();
        return Err(TokenError::Owner { path: path.into(), owner: owner_found, expected: owner });
    }
    match found.mode() & 0o7777 {
        mode if mode & OTHERS != 0 => Err(TokenError::Mode { path: path.into(), mode }),
        _ => read(file.as_fd(), Instant::now() + READ_WITHIN),
    }
}

/// A FIFO in the file's place must not hold up the start, a terminal must not become ours.
fn open(path: &Path) -> Result<File, TokenError> {
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).bits();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    opened.map_err(|cause| open_error(path, cause))
}

fn open_error(path: &Path, cause: io::Error) -> TokenError {
    TokenError::Open { path: path.into(), cause }
}

/// The buffer has its full size from the start: growing would leave unwiped copies behind.
fn read(from: BorrowedFd<'_>, until: Instant) -> Result<Token, TokenError> {
    let mut buffer = Zeroizing::new(vec![0; BUFFER_BYTES]);
    let mut filled = 0;
    while filled < BUFFER_BYTES {
        await_input(from, until)?;
        match nix::unistd::read(from, &mut buffer[filled..]) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    if buffer[..filled].last() == Some(&b'\n') {
        filled -= 1;
    }
    match filled {
        TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX => {
            buffer.truncate(filled);
            Ok(Token(buffer))
        }
        bytes => Err(TokenError::Length { bytes }),
    }
}

/// Waits with poll and not with a read, so that a writer that never closes cannot hold up the
/// start.
fn await_input(from: BorrowedFd<'_>, until: Instant) -> Result<(), TokenError> {
    let left = until.saturating_duration_since(Instant::now());
    let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
    let mut set = [PollFd::new(from, PollFlags::POLLIN)];
    match poll(&mut set, timeout) {
        Ok(0) => Err(TokenError::Late),
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
