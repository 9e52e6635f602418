//! Why the socket cannot be made.

use std::{io, path::PathBuf};

use nix::errno::Errno;
use thiserror::Error;

use super::PATH_BYTES_MAX;

/// Why the socket cannot be made; each is exit code 73.
#[derive(Debug, Error)]
pub enum SocketError {
    /// It is no path of a file.
    #[error(
        "{path:?} cannot be a socket: it needs a directory, a name, \
         and at most {PATH_BYTES_MAX} bytes of UTF-8"
    )]
    Path {
        /// The path.
        path: PathBuf,
    },
    /// Its directory cannot be made or opened.
    #[error("the socket's directory {path:?} cannot be used: {cause}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why; a symlink is "not a directory" or "too many links" here.
        cause: io::Error,
    },
    /// Its directory is somebody else's.
    #[error(
        "the socket's directory {path:?} belongs to uid {owner}, not to uid {expected}; \
         name one that does not exist yet"
    )]
    Owner {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Whose it should be.
        expected: u32,
    },
    /// Others may enter its directory.
    #[error("the socket's directory {path:?} has mode {mode:04o}; 0700 is required: chmod 700 it")]
    Mode {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another broker holds the lock.
    #[error("another broker serves {path:?}; stop it or name another socket")]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something else has the socket's name.
    #[error("{path:?} exists and is no socket of uid {uid}; remove it or name another socket")]
    Occupied {
        /// The socket.
        path: PathBuf,
        /// Whose socket would be replaced.
        uid: u32,
    },
    /// The lock file cannot be had for another reason.
    #[error("the lock file {path:?} cannot be locked: {errno}")]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// Why.
        errno: Errno,
    },
    /// Binding failed.
    #[error("{path:?} cannot be bound: {cause}")]
    Bind {
        /// The socket.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}
