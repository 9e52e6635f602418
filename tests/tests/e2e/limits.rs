//! A worker is held to the memory that it was granted: by the kernel, and by a watchdog.

use std::{fs, os::unix::fs::FileExt as _, process::Stdio, time::Duration};

use core_tests::{
    harness::{Broker, processes},
    trace::{Arg, Outcome, Tracee},
};
use nix::{
    libc,
    sys::wait::{WaitPidFlag, waitpid},
    unistd::Pid,
};

/// A page, which is what is touched at once.
const TOUCH_BYTES: usize = 4096;
/// What is left of the kernel's limit, for what malloc does meanwhile.
const MARGIN_BYTES: u64 = 1 << 20;
/// How long a thread may compute after the main thread stopped.
const STOPS_WITHIN: Duration = Duration::from_millis(300);

pub(crate) fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("skipped: a worker is closed to everybody but root");
    }
    root
}

/// The data limit of a process in bytes, soft and hard.
fn data_limit(pid: u32) -> (Option<u64>, Option<u64>) {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("it runs");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max data size"));
    let mut values = line.expect("a data limit").split_whitespace().map(|word| word.parse().ok());
    (values.next().flatten(), values.next().flatten())
}

/// Injects a mapping of private memory.
fn map(tracee: &Tracee, bytes: u64) -> i64 {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let number = |value: i32| Arg::Num(u64::from(value.cast_unsigned()));
    let call =
        [Arg::Num(0), Arg::Num(bytes), number(protection), number(flags), number(-1), Arg::Num(0)];
    match tracee.inject(libc::SYS_mmap.cast_unsigned(), &call).expect("injected") {
        Outcome::Returned(answer) => answer,
        other => panic!("{other:?}"),
    }
}

/// Touches every page that a process may write and has not touched, with what lies there; until it
/// is killed for that.
fn touch_all(pid: u32) {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("it runs");
    let memory = fs::OpenOptions::new().read(true).write(true).open(format!("/proc/{pid}/mem"));
    let memory = memory.expect("opened");
    let mut page = vec![0; TOUCH_BYTES];
    for line in maps.lines().filter(|line| line.contains(" rw-p ")) {
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        let (start, end) = range.expect("a range");
        let number = |hex| u64::from_str_radix(hex, 16).expect("an address");
        for at in (number(start)..number(end)).step_by(TOUCH_BYTES) {
            let read = memory.read_exact_at(&mut page, at);
            if read.and_then(|()| memory.write_all_at(&page, at)).is_err() {
                return;
            }
        }
    }
}

/// Bytes that a process has mapped for writing.
fn data(pid: u32) -> u64 {
    let field = processes::status_field(pid, "VmData").expect("it runs");
    let kib: u64 = field.trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}

#[test]
fn the_kernel_limits_what_a_worker_maps() {
    let broker = Broker::with_long().expect("a broker");
    let worker = broker.load("long");
    let (soft, hard) = data_limit(worker);
    let limit = soft.expect("a number");
    assert_eq!(soft, hard);
    assert!(data(worker) < limit, "{} of {limit} bytes", data(worker));
    if !is_root() {
        return;
    }
    let tracee = Tracee::seize_running(worker).expect("seized");
    assert_eq!(map(&tracee, limit), -i64::from(libc::ENOMEM));
    assert!(map(&tracee, 1 << 20) > 0, "a megabyte is within its limit");
    tracee.detach().expect("let go");
    assert_eq!(broker.corectl(&["run", "long", "Once", "-n", "4"]).code, 0);
    assert_eq!(broker.corectl(&["tokenize", "long", "Once"]).code, 0);
    assert_eq!(broker.corectl(&["audit"]).code, 0, "the limit is what the audit expects");
}

#[test]
fn a_worker_that_touches_more_than_it_was_granted_is_killed() {
    if !is_root() {
        return;
    }
    let broker = Broker::with_long().expect("a broker");
    let worker = broker.load("long");
    let run = broker
        .corectl_command(&["run", "long", "Once", "-n", "2000", "--ignore-eos"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("corectl starts");
    broker.wait_until_busy();
    let limit = data_limit(worker).0.expect("a number");
    let tracee = Tracee::seize_running(worker).expect("seized");
    // Its other threads come to the end of what they were given, and wait.
    std::thread::sleep(STOPS_WITHIN);
    // All that the kernel's limit leaves it, which is more than it was granted.
    assert!(map(&tracee, limit - data(worker) - MARGIN_BYTES) > 0);
    touch_all(worker);
    if tracee.detach().is_err() {
        // It is dead by now, and its parent hears of that once its tracer has.
        let _ = waitpid(Pid::from_raw(worker.cast_signed()), Some(WaitPidFlag::__WALL));
    }
    let output = run.wait_with_output().expect("corectl ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = text.lines().last().unwrap_or_default();
    // One death may be chance: its request goes on with the next worker.
    assert!(last.contains("\"done\""), "{last}\n{}", broker.log());
    assert!(!processes::alive(worker), "it lives on");
    let status = broker.corectl(&["status"]).lines.remove(0);
    assert_eq!(status["deaths"]["memory"], 1, "{}", status["deaths"]);
    let told = status["last_deaths"].to_string();
    assert!(told.contains("granted"), "{told}");
    let again = broker.corectl(&["run", "long", "Once", "-n", "4"]);
    assert_eq!(again.code, 0, "{again:?}");
}
