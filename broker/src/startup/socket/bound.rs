//! A socket that is bound, and how its name goes.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    os::{
        fd::OwnedFd,
        unix::fs::{FileTypeExt, MetadataExt},
    },
};

use interprocess::os::unix::uds_local_socket::Listener;
use nix::{
    errno::Errno,
    fcntl::{AtFlags, Flock},
    sys::stat::{FileStat, SFlag, fstatat},
    unistd::{UnlinkatFlags, unlinkat},
};

use super::{Place, SocketError};

/// A bound socket; its name is removed when this is dropped, if it is still the same socket.
#[derive(Debug)]
pub struct Bound {
    listener: Option<Listener>,
    name: OsString,
    directory: OwnedFd,
    #[expect(dead_code, reason = "held until the process ends")]
    lock: Flock<OwnedFd>,
}

impl Bound {
    pub(super) fn new(
        listener: Listener,
        name: OsString,
        directory: OwnedFd,
        lock: Flock<OwnedFd>,
    ) -> Self {
        Self { listener: Some(listener), name, directory, lock }
    }

    /// The listener, once.
    pub fn take_listener(&mut self) -> Option<Listener> {
        self.listener.take()
    }

    /// The path was used for binding and the descriptor for looking: both must mean one directory.
    pub(super) fn check(&self, place: &Place, uid: u32) -> Result<(), SocketError> {
        let by_path = fs::symlink_metadata(&place.path).map_err(|c| place.bind_error(c))?;
        let found = look(&self.directory, &self.name).map_err(|e| place.bind_error(e.into()))?;
        let same = found.is_some_and(|found| {
            found.st_ino == by_path.ino() && is_socket(&found) && found.st_uid == uid
        });
        if same && by_path.file_type().is_socket() {
            return Ok(());
        }
        Err(place.bind_error(io::Error::other("its directory was moved during the start")))
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // Only the holder of the lock gets here, so the socket is still the one bound above unless
        // its owner removed it by hand.
        if matches!(look(&self.directory, &self.name), Ok(Some(found)) if is_socket(&found)) {
            let _ = unlinkat(&self.directory, self.name.as_os_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// What has a name in a directory, links not followed.
pub(super) fn look(directory: &OwnedFd, name: &OsStr) -> nix::Result<Option<FileStat>> {
    match fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

pub(super) fn is_socket(found: &FileStat) -> bool {
    SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == SFlag::S_IFSOCK
}
