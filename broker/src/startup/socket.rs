//! The socket's place: a directory of the broker's user alone, a lock file, then the socket.
//!
//! A name in the file system and never an abstract one: only the former has an owner and a mode.
//! Whoever holds the lock file may remove a socket that an earlier broker left; nobody else may.
//! The lock file itself stays: removing it would let two brokers lock two different files.

#![forbid(unsafe_code)]

mod bound;
mod error;
#[cfg(test)]
mod tests;

use std::{
    ffi::OsString,
    fs,
    io::{self, ErrorKind},
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, fchown},
    },
    path::{Path, PathBuf},
};

use interprocess::{
    local_socket::{GenericFilePath, ListenerNonblockingMode, ListenerOptions, ToFsName},
    os::unix::{local_socket::ListenerOptionsExt, uds_local_socket::Listener},
};
use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{Flock, OFlag, open, openat},
    sys::stat::{Mode, fstat},
    unistd::{UnlinkatFlags, unlinkat},
};

use self::bound::{is_socket, look};
pub use self::{bound::Bound, error::SocketError};
use super::lock;

/// Bytes of a socket's path: `sun_path` of unix(7) has 108, the last of which is a NUL.
pub const PATH_BYTES_MAX: usize = 107;
/// Permission bits by which anybody but the owner could enter the directory.
const OTHERS: u32 = 0o077;
/// Mode of the socket: connecting needs the write bit, and only the owner (and root) has it.
const SOCKET_MODE: u16 = 0o600;

/// Where the socket is to be.
#[derive(Clone, Debug)]
pub struct Place {
    /// Absolute path of the socket.
    pub path: PathBuf,
    /// Its directory.
    pub directory: PathBuf,
    name: OsString,
}

impl Place {
    /// Takes a path apart; a relative one starts at the working directory.
    ///
    /// # Errors
    /// [`SocketError::Path`].
    pub fn of(path: &Path) -> Result<Self, SocketError> {
        let refused = || SocketError::Path { path: path.into() };
        let path = std::path::absolute(path).map_err(|_| refused())?;
        match (path.parent(), path.file_name()) {
            (Some(directory), Some(name)) if fits(&path) => {
                let (directory, name) = (directory.to_owned(), name.to_owned());
                Ok(Self { directory, name, path })
            }
            _ => Err(refused()),
        }
    }

    /// Makes the directory with mode 0700 unless it exists, and checks it. What root makes, or
    /// finds empty and its own, is given to `owner`, user and group; anything else stays whose it
    /// is.
    ///
    /// # Errors
    /// [`SocketError`] when `uid` does not have the directory alone.
    pub fn prepare(&self, uid: u32, owner: Option<(u32, u32)>) -> Result<OwnedFd, SocketError> {
        match fs::DirBuilder::new().mode(0o700).create(&self.directory) {
            Err(cause) if cause.kind() != ErrorKind::AlreadyExists => {
                return Err(self.directory_error(cause));
            }
            _ => {}
        }
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let directory = open(&self.directory, flags, Mode::empty())
            .map_err(|errno| self.directory_error(errno.into()))?;
        self.check_mode(&directory)?;
        if let Some((user, group)) = owner {
            self.give(&directory, user, group).map_err(|cause| self.directory_error(cause))?;
        }
        self.check_owner(&directory, uid)?;
        Ok(directory)
    }

    fn check_mode(&self, directory: &OwnedFd) -> Result<(), SocketError> {
        let found = fstat(directory).map_err(|errno| self.directory_error(errno.into()))?;
        match found.st_mode & 0o7777 {
            mode if mode & OTHERS != 0 => {
                Err(SocketError::Mode { path: self.directory.clone(), mode })
            }
            _ => Ok(()),
        }
    }

    fn check_owner(&self, directory: &OwnedFd, uid: u32) -> Result<(), SocketError> {
        let found = fstat(directory).map_err(|errno| self.directory_error(errno.into()))?;
        if found.st_uid == uid {
            return Ok(());
        }
        let path = self.directory.clone();
        Err(SocketError::Owner { path, owner: found.st_uid, expected: uid })
    }

    /// Root's own directory is given away only while nothing is in it: `/root` would pass as well.
    fn give(&self, directory: &OwnedFd, user: u32, group: u32) -> io::Result<()> {
        let roots = fstat(directory)?.st_uid == 0;
        let entries = Dir::from_fd(directory.try_clone()?)?.into_iter().take(3).count();
        // Every directory holds itself and its parent.
        if roots && entries == 2 { fchown(directory, Some(user), Some(group)) } else { Ok(()) }
    }

    fn directory_error(&self, cause: io::Error) -> SocketError {
        SocketError::Directory { path: self.directory.clone(), cause }
    }

    /// Takes the lock, removes a socket that an earlier broker left, and binds.
    ///
    /// # Errors
    /// [`SocketError`]; a broker that serves the same path is not disturbed.
    pub fn bind(&self, directory: OwnedFd, uid: u32) -> Result<Bound, SocketError> {
        let lock = self.lock(&directory)?;
        self.remove_leftover(&directory, uid)?;
        let listener = self.listen().map_err(|cause| self.bind_error(cause))?;
        let bound = Bound::new(listener, self.name.clone(), directory, lock);
        bound.check(self, uid)?;
        Ok(bound)
    }

    fn lock(&self, directory: &OwnedFd) -> Result<Flock<OwnedFd>, SocketError> {
        let mut name = self.name.clone();
        name.push(".lock");
        let failed = |errno| SocketError::Lock { path: self.directory.join(&name), errno };
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let file = openat(directory, name.as_os_str(), flags, mode).map_err(failed)?;
        lock::exclusive(file).map_err(|errno| match errno {
            Errno::EWOULDBLOCK => SocketError::InUse { path: self.path.clone() },
            errno => failed(errno),
        })
    }

    fn remove_leftover(&self, directory: &OwnedFd, uid: u32) -> Result<(), SocketError> {
        let Some(found) = look(directory, &self.name).map_err(|e| self.bind_error(e.into()))?
        else {
            return Ok(());
        };
        if !is_socket(&found) || found.st_uid != uid {
            return Err(SocketError::Occupied { path: self.path.clone(), uid });
        }
        unlinkat(directory, self.name.as_os_str(), UnlinkatFlags::NoRemoveDir)
            .map_err(|errno| self.bind_error(errno.into()))
    }

    /// The name is not reclaimed on drop: that would be an unlink without a look.
    fn listen(&self) -> io::Result<Listener> {
        ListenerOptions::new()
            .name(self.path.as_os_str().to_fs_name::<GenericFilePath>()?)
            .nonblocking(ListenerNonblockingMode::Both)
            .mode(SOCKET_MODE.into())
            .reclaim_name(false)
            .create_sync_as::<Listener>()
    }

    fn bind_error(&self, cause: io::Error) -> SocketError {
        SocketError::Bind { path: self.path.clone(), cause }
    }
}

/// The ready line is JSON, so the path must be text as well.
fn fits(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.len() <= PATH_BYTES_MAX)
}
