//! A worker is held to the memory that it was granted: by the kernel, and by a watchdog.

use std::{
    fs,
    os::unix::fs::FileExt as _,
    process::{Command, Stdio},
    time::Duration,
};

use core_tests::{
    harness::{Broker, processes},
    trace::{Arg, Outcome, Tracee},
};
use nix::libc;

/// Bytes written at once into a worker's memory.
const WRITE_BYTES: usize = 1 << 20;
/// How long a stream may take to its first steps.
const RUNS_WITHIN: Duration = Duration::from_secs(10);

fn is_root() -> bool {
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

/// What the first worker was granted.
fn granted(broker: &Broker) -> u64 {
    let status = broker.corectl(&["status"]).lines.remove(0);
    status["workers"][0]["memory_bytes"].as_u64().expect("a number")
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

/// Touches memory of a process as it would itself.
fn fill(pid: u32, at: u64, bytes: u64) {
    let memory = fs::OpenOptions::new().write(true).open(format!("/proc/{pid}/mem"));
    let memory = memory.expect("opened");
    let page = vec![1; WRITE_BYTES];
    for offset in (0..bytes).step_by(WRITE_BYTES) {
        memory.write_all_at(&page, at + offset).expect("written");
    }
}

#[test]
fn the_kernel_limits_what_a_worker_maps() {
    let broker = Broker::with_long().expect("a broker");
    let worker = broker.load("long");
    let (soft, hard) = data_limit(worker);
    let limit = soft.expect("a number");
    assert_eq!(soft, hard);
    let data = processes::status_field(worker, "VmData").expect("it runs");
    let data: u64 = data.trim_end_matches(" kB").parse().expect("a number");
    assert!(data * 1024 < limit, "{data} kB of {limit} bytes");
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
        .corectl_command(&["run", "long", "Once", "-n", "8000", "--ignore-eos"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("corectl starts");
    let busy = || {
        let status = broker.corectl(&["status"]).lines.remove(0);
        (status["workers"][0]["active"] == 1).then_some(())
    };
    processes::wait_for(RUNS_WITHIN, busy).expect("it runs");
    // As if the kernel's limit did not hold: the watchdog is to see it alone.
    let pid = worker.to_string();
    let lifted = Command::new("prlimit").args(["--pid", &pid, "--data=unlimited"]).status();
    assert!(lifted.expect("util-linux is there").success());
    let bytes = (granted(&broker) + (8 << 20)).next_multiple_of(WRITE_BYTES as u64);
    let tracee = Tracee::seize_running(worker).expect("seized");
    let at = map(&tracee, bytes);
    assert!(at > 0, "{at}");
    fill(worker, at.cast_unsigned(), bytes);
    tracee.detach().expect("let go");
    let output = run.wait_with_output().expect("corectl ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = text.lines().last().unwrap_or_default();
    assert!(last.contains("\"MEMORY\"") && last.contains("granted"), "{last}\n{}", broker.log());
    assert!(!processes::alive(worker), "it lives on");
    let again = broker.corectl(&["run", "long", "Once", "-n", "4"]);
    assert_eq!(again.code, 0, "{again:?}");
}
