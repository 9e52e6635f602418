//! What a started process looks like from outside. The program is `yes`, which needs no argument,
//! never ends by itself, and writes to where the worker's standard output leads.

use std::{collections::BTreeSet, fs, path::Path};

use core_policy::{env, fds};
use core_wire::worker::{Purpose, WorkerConfig};

use crate::workers::{
    spawn::{Start, Started, assert_main_thread, spawn},
    watch::Death,
};

const PROGRAM: &str = "/usr/bin/yes";

fn start(models: &[std::os::fd::OwnedFd]) -> Started {
    let purpose = Purpose::Choose { variants: Vec::new() };
    let config = WorkerConfig { purpose, broker_pid: std::process::id(), canaries: Vec::new() };
    spawn(Start { exe: Path::new(PROGRAM), config, threads: 2, models }).unwrap()
}

fn field(status: &str, name: &str) -> String {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().trim().to_owned()
}

fn descriptors(process: &str) -> BTreeSet<i32> {
    let entries = fs::read_dir(format!("{process}/fd")).unwrap();
    // A descriptor may be closed between listing and reading; its name is still a number.
    entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect()
}

/// The dynamic linker opens a library for a moment after exec; what leaked would stay.
fn settled(process: &str, planned: &BTreeSet<i32>) -> BTreeSet<i32> {
    for _ in 0..400 {
        if descriptors(process) == *planned {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    descriptors(process)
}

#[tokio::test]
async fn a_worker_has_exactly_what_it_was_given() {
    let models: Vec<_> = (0..2).map(|_| fs::File::open("/dev/null").unwrap().into()).collect();
    // Not close-on-exec and at a number that is a hole in the table: must not get through.
    let leaked = nix::unistd::dup(fs::File::open("/dev/zero").unwrap()).unwrap();
    let mut started = start(&models);
    let process = format!("/proc/{}", started.pid);
    let planned: BTreeSet<i32> = fds::at_exec(2).into_iter().map(|(fd, _)| fd).collect();
    assert_eq!(settled(&process, &planned), planned);
    for null in [fds::STDIN, fds::STDOUT, fds::MODEL_FIRST, fds::MODEL_FIRST + 1] {
        let link = fs::read_link(format!("{process}/fd/{null}")).unwrap();
        assert_eq!(link, Path::new("/dev/null"));
    }
    drop(leaked);
    started.child.start_kill().unwrap();
    let death = Death::from(started.child.wait().await.unwrap());
    assert_eq!(death, Death::Signal(9));
}

#[tokio::test]
async fn a_worker_has_one_argument_and_a_fixed_environment() {
    let mut started = start(&[]);
    let process = format!("/proc/{}", started.pid);
    let environment = fs::read(format!("{process}/environ")).unwrap();
    let expected: Vec<u8> = env::worker_env(2)
        .into_iter()
        .flat_map(|(name, value)| format!("{name}={value}\0").into_bytes())
        .collect();
    let sorted = |bytes: &[u8]| -> BTreeSet<Vec<u8>> {
        bytes.split(|&byte| byte == 0).map(<[u8]>::to_vec).collect()
    };
    assert_eq!(sorted(&environment), sorted(&expected));
    assert_eq!(fs::read(format!("{process}/cmdline")).unwrap(), b"core-worker\0");
    started.child.start_kill().unwrap();
    started.child.wait().await.unwrap();
}

#[tokio::test]
async fn a_worker_inherits_no_ignored_signal_and_leaves_the_session() {
    // The Rust runtime ignores SIGPIPE, so this process has one signal that must not be passed on.
    let mut started = start(&[]);
    let status = fs::read_to_string(format!("/proc/{}/status", started.pid)).unwrap();
    // The 31 standard signals; those above belong to the C library, which sets them itself.
    let ignored = u64::from_str_radix(&field(&status, "SigIgn:"), 16).unwrap();
    assert_eq!(ignored & 0x7fff_ffff, 0);
    assert_eq!(field(&status, "SigBlk:"), "0000000000000000");
    assert_eq!(field(&status, "Umask:"), "0077");
    assert_eq!(field(&status, "NSsid:"), started.pid.to_string());
    started.child.start_kill().unwrap();
    started.child.wait().await.unwrap();
}

#[tokio::test]
async fn a_program_that_is_not_there_is_an_error() {
    let config = WorkerConfig {
        purpose: Purpose::Choose { variants: Vec::new() },
        broker_pid: std::process::id(),
        canaries: Vec::new(),
    };
    let start = Start { exe: Path::new("/nowhere/core-worker"), config, threads: 1, models: &[] };
    assert!(spawn(start).is_err(), "exec reports itself");
}

/// Decision D1. Its panic ends the whole broker: the profile that ships aborts on one.
#[test]
#[should_panic(expected = "a thread other than main starts a worker")]
fn a_thread_other_than_main_starts_no_worker() {
    assert_main_thread();
}
