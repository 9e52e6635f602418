//! A child with exactly the descriptors that it is meant to have.

use std::{fs, os::fd::OwnedFd, process::Command, sync::LazyLock};

use command_fds::{CommandFdExt, FdMapping};

/// O_CLOEXEC as /proc/PID/fdinfo shows it (x86-64, fcntl.h).
const CLOEXEC: u32 = 0o2_000_000;

/// The first number that is not a standard stream.
const FIRST: i32 = 3;

/// Done once for the process: what a test runner left open must not reach a worker, which refuses a
/// descriptor too many.
static ALONE: LazyLock<()> = LazyLock::new(close_what_was_inherited);

/// Gives the child exactly `table`, at the numbers named there, and nothing else of this process.
pub(crate) fn lay_out(command: &mut Command, table: Vec<(OwnedFd, i32)>) {
    LazyLock::force(&ALONE);
    let mappings = table.into_iter().map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd });
    command.fd_mappings(mappings.collect()).unwrap();
}

/// Closes whatever this process was started with. Rust opens everything with O_CLOEXEC, so what has
/// it not was inherited, and nobody here owns it.
fn close_what_was_inherited() {
    let names = fs::read_dir("/proc/self/fd").unwrap();
    let numbers = names.map(|name| name.unwrap().file_name().into_string().unwrap());
    let inherited = numbers
        .map(|number| number.parse().unwrap())
        .filter(|&number: &i32| number >= FIRST && crosses_exec(number));
    let inherited: Vec<i32> = inherited.collect();
    drop(core_policy::fds::claim_given(&inherited).unwrap());
}

fn crosses_exec(number: i32) -> bool {
    // The descriptor of the listing itself is gone by now, or another thread's file.
    let Ok(info) = fs::read_to_string(format!("/proc/self/fdinfo/{number}")) else {
        return false;
    };
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = u32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
    flags & CLOEXEC == 0
}
