use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::locked::{may_hold, single, table};
use super::ready::{limits, root_seen_as};
use super::*;
use crate::profile::{DRIVER_DESCRIPTORS_MAX, Profile};
use crate::report::{Achieved, How, Row};

const STATUS: &str = "Name:\tcore-worker\nUmask:\t0077\nUid:\t5\t6\t7\t8\nThreads:\t3\n\
    CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n\
    CapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n\
    Seccomp_filters:\t6\n";

#[test]
fn a_status_is_read() {
    let status = Status::parse(STATUS);
    assert_eq!((status.threads, status.seccomp, status.filters), (3, Some(2), Some(6)));
    assert_eq!(status.uids, [5, 6, 7, 8]);
    assert!(status.caps_empty());
    assert_eq!(status.cap_bounding, Some(0x1ff_ffff_ffff));
}

#[test]
fn a_line_that_is_missing_is_never_a_zero() {
    for key in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        let status = Status::parse(&STATUS.replace(key, "Other"));
        assert!(!status.caps_empty(), "{key}");
    }
    let garbled = Status::parse("CapEff:\tzero\nSeccomp:\t2 2\nThreads:\tmany\n");
    assert_eq!((garbled.cap_effective, garbled.seccomp, garbled.threads), (None, None, 0));
}

#[test]
fn the_first_line_of_a_key_counts() {
    let status = Status::parse(&format!("{STATUS}Seccomp:\t0\nNoNewPrivs:\t0\n"));
    assert_eq!((status.seccomp, status.no_new_privs), (Some(2), Some(1)));
}

#[test]
fn limits_are_read_by_name() {
    let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
        Max file size             0                    0                    bytes     \n\
        Max data size             unlimited            4096                 bytes     \n\
        Max nice priority         0                    0                    \n";
    assert_eq!(proc::limit(limits, "Max file size"), Some((Some(0), Some(0))));
    assert_eq!(proc::limit(limits, "Max data size"), Some((None, Some(4096))));
    assert_eq!(proc::limit(limits, "Max nice priority"), Some((Some(0), Some(0))));
    assert_eq!(proc::limit(limits, "Max open files"), None);
}

/// An ordinary machine, a container with a root of its own, a namespace with one user and no root,
/// and two that tell nothing.
#[test]
fn root_is_known_by_the_number_that_this_namespace_has_for_it() {
    let (all, own) = ("         0          0 4294967295\n", 64_200);
    let container = "         0     100000      65536\n";
    let alone = "     64200      64200          1\n";
    let nobody = Some("65534\n");
    assert_eq!(root_seen_as(all, nobody, own), Some(0));
    assert_eq!(root_seen_as(container, None, own), Some(0));
    assert_eq!(root_seen_as(alone, nobody, own), Some(65_534));
    assert_eq!(root_seen_as(alone, nobody, 65_534), None);
    assert_eq!(root_seen_as("", None, own), None);
}

fn none_holds(rows: &[Row]) -> bool {
    !rows.is_empty() && rows.iter().all(|row| row.achieved != Achieved::Yes)
}

#[test]
fn a_dead_process_has_nothing() {
    let mut child = Command::new("/bin/true").stdout(Stdio::null()).spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    child.wait().unwrap();
    let expect = Expect { models: 1, broker_filters: 0, data_max: None, profile: Profile::Cpu };
    assert!(none_holds(&at_locked(pid, &expect)));
    assert!(none_holds(&at_ready(pid, &expect)));
}

#[test]
fn a_process_without_a_sandbox_has_nothing_that_matters() {
    let mut child = Command::new("/bin/sleep").arg("60").spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let expect = Expect { models: 1, broker_filters: 0, data_max: None, profile: Profile::Cpu };
    let mut report = crate::report::Report::default();
    report.merge(at_locked(pid, &expect));
    report.merge(at_ready(pid, &expect));
    child.kill().unwrap();
    child.wait().unwrap();
    let missing: Vec<_> = report.missing_required().iter().map(|row| row.name).collect();
    let wanted =
        ["fd-table", "rlimits", "dumpable", "seccomp.load", "seccomp.serve", "seccomp.all-threads"];
    assert!(wanted.iter().all(|name| missing.contains(name)), "{missing:?}");
    assert!(report.degraded().contains(&"ns.net".to_owned()));
}

/// What a driver makes for itself is let pass under the GPU profile alone; a file, a socket or
/// another device is not. No device node is here to be let pass.
#[test]
fn beside_the_table_only_a_driver_s_descriptors_may_be_open() {
    let links = Path::new("/proc/self/fd");
    let event = nix::sys::eventfd::EventFd::new().unwrap();
    let (read, write) = std::io::pipe().unwrap();
    let own = [event.as_raw_fd(), read.as_raw_fd(), write.as_raw_fd()];
    assert!(may_hold(links, &own, Profile::Gpu) && !may_hold(links, &own, Profile::Cpu));
    assert!(may_hold(links, &[], Profile::Gpu) && may_hold(links, &[], Profile::Cpu));
    let many = vec![own[0]; DRIVER_DESCRIPTORS_MAX + 1];
    assert!(may_hold(links, &many[1..], Profile::Gpu) && !may_hold(links, &many, Profile::Gpu));
    let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let open = |path: &str| OwnedFd::from(std::fs::File::open(path).unwrap());
    let strange = [open("/etc/passwd"), open("/dev/null"), open("/dev/zero"), open("/dev")];
    for fd in strange.into_iter().chain([socket.into()]) {
        let table = [own[0], fd.as_raw_fd()];
        assert!(!may_hold(links, &table, Profile::Gpu), "{fd:?}");
    }
    assert!(!may_hold(links, &[-1], Profile::Gpu));
}

#[test]
fn filters_are_counted_from_the_brokers_own() {
    let expect = Expect { models: 0, broker_filters: 2, data_max: None, profile: Profile::Cpu };
    assert_eq!(expect.filters(), 6);
    assert_eq!(Expect { broker_filters: u32::MAX, ..expect }.filters(), u32::MAX);
}

/// A folder that reads as /proc has a process: descriptors by the names of what they are, the flags
/// of the log pipe, and so many threads.
fn process(descriptors: &[(&str, &str)], flags: &str, threads: usize) -> tempfile::TempDir {
    let process = tempfile::tempdir().unwrap();
    let path = |name: &str| process.path().join(name);
    for name in ["fd", "fdinfo", "task"] {
        fs::create_dir(path(name)).unwrap();
    }
    for (number, target) in descriptors {
        symlink(target, path("fd").join(number)).unwrap();
    }
    fs::write(path("fdinfo/2"), format!("pos:\t0\nflags:\t{flags}\n")).unwrap();
    for thread in 0..threads {
        let thread: PathBuf = path("task").join(thread.to_string());
        fs::create_dir(&thread).unwrap();
        fs::write(thread.join("status"), STATUS).unwrap();
    }
    process
}

/// O_WRONLY, and with O_NONBLOCK.
const BLOCKS: &str = "01";
const NONBLOCKING: &str = "04001";
/// What a worker with one model has at LOCKED; a file that is there stands for the model.
const PLANNED: [(&str, &str); 5] = [
    ("0", "/dev/null"),
    ("1", "/dev/null"),
    ("2", "pipe:[7]"),
    ("3", "anon_inode:[eventfd]"),
    ("8", "/etc/passwd"),
];

#[test]
fn a_table_at_locked_is_the_planned_one_in_every_descriptor() {
    let expect = Expect { models: 1, broker_filters: 0, data_max: None, profile: Profile::Cpu };
    let achieved = |descriptors: &[(&str, &str)], flags: &str| {
        let process = process(descriptors, flags, 1);
        table(process.path(), &expect).achieved == Achieved::Yes
    };
    assert!(achieved(&PLANNED, NONBLOCKING));
    assert!(!achieved(&PLANNED, BLOCKS));
    assert!(!achieved(&[&PLANNED[..], &[("9", "/etc/passwd")]].concat(), NONBLOCKING));
    for index in 0..PLANNED.len() {
        let mut other = PLANNED.to_vec();
        other[index].1 = "socket:[7]";
        assert!(!achieved(&other, NONBLOCKING), "{other:?}");
        other.remove(index);
        assert!(!achieved(&other, NONBLOCKING), "{other:?}");
    }
}

#[test]
fn one_thread_is_one() {
    let threads = |threads| single(process(&PLANNED, NONBLOCKING, threads).path()).achieved;
    assert_eq!([0, 1, 2].map(threads), [Achieved::No, Achieved::Yes, Achieved::No]);
}

/// Numbers of their own, beside those that the limits are set from.
const HELD: [(&str, u64); 8] = [
    ("Max file size", 0),
    ("Max core file size", 0),
    ("Max open files", 152),
    ("Max locked memory", 0),
    ("Max stack size", 8 << 20),
    ("Max msgqueue size", 0),
    ("Max realtime priority", 0),
    ("Max nice priority", 0),
];

#[test]
fn a_limit_that_is_one_too_high_or_soft_alone_is_none() {
    let expect = Expect { models: 1, broker_filters: 0, data_max: None, profile: Profile::Cpu };
    let process = tempfile::tempdir().unwrap();
    let achieved = |changed: usize, by: (u64, u64)| {
        let line = |(index, &(name, held)): (usize, &(&str, u64))| {
            let (soft, hard) = if index == changed { by } else { (0, 0) };
            format!("{name:<26}{:<21}{:<21}units\n", held + soft, held + hard)
        };
        let text: String = HELD.iter().enumerate().map(line).collect();
        fs::write(process.path().join("limits"), text).unwrap();
        limits(process.path(), &expect, How::OutsideAtReady)[0].achieved
    };
    assert_eq!(achieved(usize::MAX, (0, 0)), Achieved::Yes);
    for (changed, (name, _)) in HELD.iter().enumerate() {
        assert_eq!(achieved(changed, (1, 1)), Achieved::No, "{name}");
        assert_eq!(achieved(changed, (0, 1)), Achieved::No, "{name}");
    }
}
