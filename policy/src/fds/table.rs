//! Reading and judging a table of descriptors.

use std::collections::BTreeSet;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

/// Most entries that are read of a table. A worker has at most 8 + 64; a few hundred more are read
/// so that an error can say how far off the table is, and then reading stops.
pub(crate) const TABLE_MAX: usize = 1024;

/// What a descriptor is, as /proc names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// /dev/null.
    Null,
    /// A pipe.
    Pipe,
    /// An eventfd.
    Event,
    /// A memfd.
    Memory,
    /// A regular file.
    File,
    /// Anything else: a socket, a directory, a device.
    Other,
}

/// The descriptors are not what the role has.
#[derive(Debug, thiserror::Error)]
pub enum FdError {
    /// /proc/self/fd cannot be read.
    #[error("the descriptor table cannot be read: {0}; /proc must be mounted and in the domain")]
    Unreadable(#[source] Errno),
    /// A descriptor is missing.
    #[error("descriptor {0} is missing; start this program through core-broker")]
    Missing(RawFd),
    /// A descriptor is open that should not be.
    #[error("descriptor {0} is open and not part of the table; it must not cross exec")]
    Surplus(RawFd),
    /// A descriptor is of the wrong kind.
    #[error("descriptor {fd} is {found:?}, expected {expected:?}")]
    Kind {
        /// Which one.
        fd: RawFd,
        /// What it should be.
        expected: Kind,
        /// What it is.
        found: Kind,
    },
    /// The table was taken before in this process.
    #[error("the inherited descriptors were taken before")]
    Taken,
}

/// The open descriptors of this process, without the one that reads the table.
pub(crate) fn open_now() -> Result<BTreeSet<RawFd>, FdError> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut dir = Dir::open("/proc/self/fd", flags, Mode::empty()).map_err(FdError::Unreadable)?;
    let own = dir.as_raw_fd();
    let mut open = BTreeSet::new();
    for entry in dir.iter().take(TABLE_MAX) {
        let entry = entry.map_err(FdError::Unreadable)?;
        let number = entry.file_name().to_str().ok().and_then(|name| name.parse::<RawFd>().ok());
        open.extend(number.filter(|fd| *fd != own));
    }
    Ok(open)
}

/// Compares a table with what it should be.
pub(super) fn expect(open: &BTreeSet<RawFd>, expected: &[(RawFd, Kind)]) -> Result<(), FdError> {
    let planned: BTreeSet<_> = expected.iter().map(|(fd, _)| *fd).collect();
    if let Some(fd) = open.difference(&planned).next() {
        // guard
        return Err(FdError::Surplus(*fd));
    }
    for (fd, kind) in expected {
        if !open.contains(fd) {
            // guard
            return Err(FdError::Missing(*fd));
        }
        let found = kind_of(Path::new("/proc/self/fd"), *fd).map_err(FdError::Unreadable)?;
        if found != *kind {
            // guard
            return Err(FdError::Kind { fd: *fd, expected: *kind, found });
        }
    }
    Ok(())
}

/// What a descriptor is, by the name that the kernel gives it in `table`.
pub(crate) fn kind_of(table: &Path, fd: RawFd) -> Result<Kind, Errno> {
    let target = nix::fcntl::readlink(&table.join(fd.to_string()))?;
    let target = target.to_string_lossy();
    let kind = match &*target {
        "/dev/null" => Kind::Null,
        "anon_inode:[eventfd]" => Kind::Event,
        name if name.starts_with("pipe:[") => Kind::Pipe,
        name if name.starts_with("/memfd:") => Kind::Memory,
        name if name.starts_with('/') => file(&table.join(fd.to_string())),
        _ => Kind::Other,
    };
    Ok(kind)
}

/// A name with a slash may be a directory or a device as well; the inode decides.
fn file(link: &Path) -> Kind {
    match std::fs::metadata(link) {
        Ok(meta) if meta.is_file() => Kind::File,
        _ => Kind::Other,
    }
}
