//! The root directory: models/, tokenizers/, temp/ and cache/.
//!
//! models/ is the operator's and must be there; the other three are made when they are missing. One
//! broker has a root directory alone: it holds a lock on temp/ itself (a lock on a directory needs
//! no file), and with that lock may delete what an earlier broker left in there.

#![forbid(unsafe_code)]

use std::{
    fs, io,
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, OFlag, open},
    sys::stat::Mode,
    unistd::{AccessFlags, access, geteuid},
};
use thiserror::Error;

use super::lock;

#[cfg(test)]
mod tests;

/// Mode of a directory that the broker makes: its user's alone.
const PRIVATE: u32 = 0o700;
/// Entries of temp/ that are deleted at a start. A broker keeps a handful of files per worker
/// there; this many are gone in well under a second, and what is left is deleted at the next start.
const TEMP_ENTRIES_MAX: usize = 16 << 10;

/// The root directory, opened and held alone.
#[derive(Debug)]
pub struct RootDirectory {
    /// Its absolute path.
    pub path: PathBuf,
    /// models/, `O_PATH`.
    pub models: OwnedFd,
    /// tokenizers/, `O_PATH`.
    pub tokenizers: OwnedFd,
    /// cache/, `O_PATH`.
    pub cache: OwnedFd,
    /// Held until the process ends.
    pub lock: Flock<OwnedFd>,
}

/// Why the root directory cannot be used; each is exit code 73.
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// It is missing, no directory, or not reachable.
    #[error(
        "{path:?} cannot be used: {errno}{}; it must be a directory, no link, open to uid {}",
        shown(*mode),
        geteuid()
    )]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        errno: Errno,
        /// Its permission bits, where they could be read.
        mode: Option<u32>,
    },
    /// There is nothing to serve from.
    #[error("{path:?} is missing; make it and put *.gguf files there")]
    NoModels {
        /// Where models/ should be.
        path: PathBuf,
    },
    /// A directory cannot be made.
    #[error("{path:?} is missing and cannot be made: {cause}; make it, owned by the broker's user")]
    Make {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Another broker has it.
    #[error("{path:?} is in use by another broker; give each broker a root directory of its own")]
    InUse {
        /// The root directory.
        path: PathBuf,
    },
    /// The lock failed for another reason.
    #[error("{path:?} cannot be locked: {errno}; the file system must know flock")]
    Lock {
        /// temp/.
        path: PathBuf,
        /// Why.
        errno: Errno,
    },
}

impl RootDirectory {
    /// Makes what may be made, opens the rest, takes the lock, and empties temp/.
    ///
    /// # Errors
    /// [`DirectoryError`]; exit code 73.
    pub fn open(root: &Path) -> Result<Self, DirectoryError> {
        let path = fs::canonicalize(root).map_err(|cause| unreachable_root(root, &cause))?;
        let models = path.join("models");
        if matches!(fs::symlink_metadata(&models), Err(e) if e.kind() == io::ErrorKind::NotFound) {
            return Err(DirectoryError::NoModels { path: models });
        }
        for name in ["tokenizers", "temp", "cache"] {
            make_if_missing(&path.join(name))?;
        }
        let lock = hold(&path)?;
        // A directory that opens with O_PATH may still be closed to this user.
        let (list, change) = (AccessFlags::R_OK | AccessFlags::X_OK, AccessFlags::all());
        for (name, needed) in
            [("models", list), ("tokenizers", list), ("temp", change), ("cache", change)]
        {
            drop(open_directory(&path.join(name), OFlag::O_PATH)?);
            access(&path.join(name), needed).map_err(|errno| no_access(&path.join(name), errno))?;
        }
        let tokenizers = open_directory(&path.join("tokenizers"), OFlag::O_PATH)?;
        let cache = open_directory(&path.join("cache"), OFlag::O_PATH)?;
        let models = open_directory(&models, OFlag::O_PATH)?;
        let opened = Self { models, tokenizers, cache, lock, path };
        opened.empty_temp();
        Ok(opened)
    }

    /// Deletes what dead workers and an earlier broker left; a failure costs disk and nothing else.
    fn empty_temp(&self) {
        let Ok(entries) = fs::read_dir(self.path.join("temp")) else {
            return;
        };
        for entry in entries.take(TEMP_ENTRIES_MAX).flatten() {
            let gone = match entry.file_type() {
                Ok(kind) if kind.is_dir() => fs::remove_dir_all(entry.path()),
                _ => fs::remove_file(entry.path()),
            };
            if let Err(error) = gone {
                tracing::warn!(path = ?entry.path(), %error, "temp/ could not be emptied");
            }
        }
    }
}

fn make_if_missing(path: &Path) -> Result<(), DirectoryError> {
    match fs::DirBuilder::new().mode(PRIVATE).create(path) {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => {
            Err(DirectoryError::Make { path: path.into(), cause })
        }
        _ => Ok(()),
    }
}

fn hold(root: &Path) -> Result<Flock<OwnedFd>, DirectoryError> {
    let path = root.join("temp");
    let directory = open_directory(&path, OFlag::O_RDONLY)?;
    lock::exclusive(directory).map_err(|errno| match errno {
        Errno::EWOULDBLOCK => DirectoryError::InUse { path: root.into() },
        errno => DirectoryError::Lock { path, errno },
    })
}

/// A symlink in the place of one of the directories would move the boundary: it is refused.
fn open_directory(path: &Path, how: OFlag) -> Result<OwnedFd, DirectoryError> {
    let flags = how | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty()).map_err(|errno| no_access(path, errno))
}

fn no_access(path: &Path, errno: Errno) -> DirectoryError {
    let mode = fs::symlink_metadata(path).ok().map(|found| found.mode() & 0o7777);
    DirectoryError::Open { path: path.into(), errno, mode }
}

fn unreachable_root(root: &Path, cause: &io::Error) -> DirectoryError {
    let errno = Errno::from_raw(cause.raw_os_error().unwrap_or_default());
    DirectoryError::Open { path: root.into(), errno, mode: None }
}

fn shown(mode: Option<u32>) -> String {
    mode.map(|mode| format!(" (mode {mode:04o})")).unwrap_or_default()
}
