//! The layers that are one call each.

use std::fs;
use std::path::Path;
use std::thread;

use core_policy::apply::{self, ApplyError};
use core_policy::limits::{self, WORKER_LIMITS};
use core_policy::profile::Profile;
use core_policy::report::{Achieved, Row};
use core_policy::{caps, verify};
use nix::sys::resource::getrlimit;
use nix::unistd::getppid;

use crate::attack::call;
use crate::outcome::{Case, Outcome, Side};

const OK: Outcome = Outcome::Success;
/// A uid without an account.
const NOBODY_IN_PARTICULAR: i64 = 61_234;
const PAGE: i64 = 4096;
const RW: i64 = (libc::PROT_READ | libc::PROT_WRITE) as i64;
const ANON: i64 = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as i64;

pub(crate) fn cases() -> Vec<Case> {
    let refused = [
        ("mdwe", Outcome::Errno(libc::EACCES), executable as fn(Side) -> Outcome),
        ("file-size", Outcome::Signal(libc::SIGXFSZ), file_size),
        ("threads-nproc", Outcome::Errno(libc::EAGAIN), many_threads),
        ("setuid-after-caps", Outcome::Errno(libc::EPERM), setuid),
    ];
    let held = [
        ("limits", limits_hold as fn() -> Outcome),
        ("single-thread", second_thread_is_noticed),
        ("orphan", orphan_is_noticed),
        ("namespaces", namespaces_differ),
        ("capabilities", capabilities_are_empty),
    ];
    let refused =
        refused.map(|(name, locked, act)| Case::new(format!("process.{name}"), locked, OK, act));
    let held =
        held.map(|(name, act)| Case::new(format!("process.{name}"), OK, None, move |_| act()));
    refused.into_iter().chain(held).collect()
}

fn executable(side: Side) -> Outcome {
    if side == Side::Locked {
        assert_eq!(apply::refuse_exec_gain().achieved, Achieved::Yes);
    }
    let page = call(libc::SYS_mmap, &[0, PAGE, RW, ANON, -1, 0]);
    Outcome::of_call(call(libc::SYS_mprotect, &[page, PAGE, RW | 4]))
}

fn file_size(side: Side) -> Outcome {
    if side == Side::Locked {
        limits::apply_all(Profile::Cpu).unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    Outcome::of_io(fs::write(directory.path().join("x"), "x"))
}

fn setuid(side: Side) -> Outcome {
    if side == Side::Locked {
        caps::drop_all().unwrap();
    }
    Outcome::of_call(call(libc::SYS_setuid, &[NOBODY_IN_PARTICULAR]))
}

fn limits_hold() -> Outcome {
    limits::apply_all(Profile::Cpu).unwrap();
    let held = WORKER_LIMITS.iter().all(|limit| {
        let (soft, hard) = getrlimit(limit.resource).unwrap();
        soft == hard && hard <= limit.at_most
    });
    Outcome::holds(held, "a limit is not as listed")
}

/// Within its own user namespace the worker meets its limit on threads; outside it is not set.
fn many_threads(side: Side) -> Outcome {
    // The kernel never holds its own root to this limit.
    assert_eq!(call(libc::SYS_setuid, &[NOBODY_IN_PARTICULAR]), 0);
    if side == Side::Locked {
        apply::unshare_all();
        caps::drop_all().unwrap();
        assert_eq!(limits::apply_nproc().achieved, Achieved::Yes);
    }
    let (park, parked) = std::sync::mpsc::channel::<()>();
    let parked = std::sync::Arc::new(std::sync::Mutex::new(parked));
    let mut threads = Vec::new();
    for _ in 0..limits::NPROC + 8 {
        let parked = parked.clone();
        let wait = move || drop(parked.lock().map(|parked| parked.recv()));
        match thread::Builder::new().stack_size(16 << 10).spawn(wait) {
            Ok(thread) => threads.push(thread),
            Err(error) => return Outcome::of_io::<()>(Err(error)),
        }
    }
    drop(park);
    Outcome::Success
}

fn second_thread_is_noticed() -> Outcome {
    apply::assert_single_thread().unwrap();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let second = thread::spawn(move || ended.recv().is_err());
    let refused = matches!(apply::assert_single_thread(), Err(ApplyError::NotHeld { .. }));
    drop(end);
    second.join().unwrap();
    Outcome::holds(refused, "a second thread must be noticed")
}

fn orphan_is_noticed() -> Outcome {
    apply::die_with_parent(getppid().as_raw()).unwrap();
    let refused = apply::die_with_parent(1);
    let noticed = matches!(refused, Err(ApplyError::Orphan { expected: 1, .. }));
    Outcome::holds(noticed, "another parent must be noticed")
}

fn namespaces_differ() -> Outcome {
    let names = ["user", "net", "ipc", "uts", "cgroup"];
    let inodes = || names.map(|name| fs::read_link(Path::new("/proc/self/ns").join(name)).unwrap());
    let before = inodes();
    let rows = apply::unshare_all();
    let after = inodes();
    let differ = before.iter().zip(&after).all(|(before, after)| before != after);
    let told = rows.iter().all(|row: &Row| row.achieved == Achieved::Yes);
    let interfaces = fs::read_to_string("/proc/self/net/dev").unwrap();
    let lonely = interfaces.lines().skip(2).all(|line| line.trim_start().starts_with("lo:"));
    Outcome::holds(differ && told && lonely, "five namespaces of its own, with lo alone")
}

fn capabilities_are_empty() -> Outcome {
    let before = verify::Status::own().unwrap();
    apply::unshare_all();
    let rows = caps::drop_all().unwrap();
    let after = verify::Status::own().unwrap();
    let had = !before.caps_empty() || before.cap_bounding != Some(0);
    let empty = after.caps_empty() && after.cap_bounding == Some(0);
    Outcome::holds(had && empty && rows.len() == 2, "all five sets must be empty")
}
