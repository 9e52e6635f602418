//! Memfds: created, sized, sealed, and verified by asking the kernel what it believes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::fstat;
use nix::unistd::ftruncate;
use thiserror::Error;

use crate::layout::CONTROL_BYTES;

/// The two segments, for errors and names in /proc/PID/maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Written by the broker only.
    B,
    /// Written by the worker only.
    W,
}

impl Segment {
    fn name(self) -> &'static str {
        match self {
            Self::B => "ring-b",
            Self::W => "ring-w",
        }
    }

    /// The seals that the segment must carry, F_SEAL_EXEC apart.
    pub(crate) fn seals(self) -> SealFlag {
        let fixed = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        match self {
            Self::B => fixed | SealFlag::F_SEAL_FUTURE_WRITE,
            Self::W => fixed,
        }
    }
}

impl std::fmt::Display for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a segment could not be made or is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SegmentError {
    /// A call failed; `call` is the system call's name.
    #[error("{call} of {segment} failed: {errno}")]
    Call {
        /// The segment.
        segment: Segment,
        /// The system call.
        call: &'static str,
        /// Its error.
        errno: Errno,
    },
    /// The kernel reports other seals than were asked for.
    #[error("{segment} has seals {found:#x}, expected {expected:#x}: refusing to use it")]
    Seals {
        /// The segment.
        segment: Segment,
        /// What F_GET_SEALS answered.
        found: i32,
        /// What it had to answer.
        expected: i32,
    },
    /// The kernel reports another size than was set.
    #[error("{segment} has {found} bytes, expected {expected}: refusing to use it")]
    Size {
        /// The segment.
        segment: Segment,
        /// What fstat answered.
        found: i64,
        /// What it had to answer.
        expected: i64,
    },
}

impl SegmentError {
    pub(crate) fn call(segment: Segment, call: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| Self::Call { segment, call, errno }
    }
}

/// Whether a segment's memfd can ever become executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exec {
    /// F_SEAL_EXEC is set (MFD_NOEXEC_SEAL, Linux 6.3).
    Sealed,
    /// The kernel is older.
    Open,
}

/// Creates a memfd of the right size that can still be sealed.
pub(crate) fn create(segment: Segment, data_bytes: usize) -> Result<OwnedFd, SegmentError> {
    let fd = match memfd(segment, libc::MFD_NOEXEC_SEAL) {
        // A kernel before 6.3 does not know the flag; the missing seal is reported as degraded.
        Err(Errno::EINVAL) => memfd(segment, 0),
        other => other,
    };
    let fd = fd.map_err(SegmentError::call(segment, "memfd_create"))?;
    ftruncate(&fd, file_bytes(data_bytes)).map_err(SegmentError::call(segment, "ftruncate"))?;
    Ok(fd)
}

fn memfd(segment: Segment, extra: u32) -> Result<OwnedFd, Errno> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    memfd_create(segment.name(), flags | MFdFlags::from_bits_retain(extra))
}

/// Adds the segment's seals; for B only after the broker's own writable mapping exists.
pub(crate) fn apply(segment: Segment, fd: &OwnedFd) -> Result<(), SegmentError> {
    fcntl(fd, FcntlArg::F_ADD_SEALS(segment.seals()))
        .map(drop)
        .map_err(SegmentError::call(segment, "fcntl(F_ADD_SEALS)"))
}

/// Refuses a segment whose size or seals are not exactly the expected ones.
///
/// Both ends call it: the broker because a missing seal would let the worker kill it by
/// truncation, the worker because it would otherwise map what nobody checked.
pub(crate) fn verify(
    segment: Segment,
    fd: BorrowedFd<'_>,
    data_bytes: usize,
) -> Result<Exec, SegmentError> {
    let stat = fstat(fd.as_fd()).map_err(SegmentError::call(segment, "fstat"))?;
    let (found, expected) = (stat.st_size, file_bytes(data_bytes));
    if found != expected {
        // guard
        return Err(SegmentError::Size { segment, found, expected });
    }
    let found = fcntl(fd, FcntlArg::F_GET_SEALS)
        .map_err(SegmentError::call(segment, "fcntl(F_GET_SEALS)"))?;
    let expected = segment.seals().bits();
    if found & !libc::F_SEAL_EXEC != expected {
        // guard
        return Err(SegmentError::Seals { segment, found, expected });
    }
    Ok(if found == expected { Exec::Open } else { Exec::Sealed })
}

/// Bytes of a segment's file; at most `RING_BYTES_MAX` and a page, so it fits.
fn file_bytes(data_bytes: usize) -> i64 {
    i64::try_from(CONTROL_BYTES + data_bytes).unwrap_or(i64::MAX)
}
