//! Lays out the descriptors of a worker, as the broker does between fork and exec.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use core_policy::fds;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::eventfd::EventFd;
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::chain_worker::Shared;

/// Gives the command's process the table of a worker with one model.
pub(crate) fn descriptors(command: &mut Command, shared: &Shared, model: &Path) {
    let bell = EventFd::new().unwrap();
    let silent = memfd_create(c"w", MFdFlags::MFD_CLOEXEC).unwrap();
    let model = File::open(model).unwrap();
    let table: Vec<(OwnedFd, RawFd)> = vec![
        (high(&bell), fds::BELL),
        (high(&shared.memory()), fds::RING_B),
        (high(&silent), fds::RING_W),
        (high(&model), fds::MODEL_FIRST),
    ];
    let layout = move || {
        table.iter().try_for_each(|(from, to)| copied(from, *to))?;
        close_others()
    };
    // SAFETY: the closure calls only dup2 and close_range.
    unsafe { command.pre_exec(layout) };
}

fn copied(from: &OwnedFd, to: RawFd) -> std::io::Result<()> {
    // SAFETY: dup2 is safe between fork and exec and takes no pointer.
    let copy = unsafe { libc::dup2(from.as_raw_fd(), to) };
    if copy == to { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Whatever the one who started the tests left open ends at exec.
fn close_others() -> std::io::Result<()> {
    let flags = libc::CLOSE_RANGE_CLOEXEC.cast_signed();
    for (first, last) in [(6, 7), (9, u32::MAX)] {
        // SAFETY: only the flag of descriptors changes, and the call takes no pointer.
        if unsafe { libc::close_range(first, last, flags) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}

/// A copy of a descriptor far above the table, closed by exec.
fn high(fd: &impl AsFd) -> OwnedFd {
    let copy = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(100)).unwrap();
    // SAFETY: the number was just made by F_DUPFD and belongs to nobody else.
    unsafe { OwnedFd::from_raw_fd(copy) }
}
