//! N14: a worker that wants to know an address gets no packet out, not even an attempt at one.
//!
//! The broker has a network namespace of its own here, so that nothing else moves its counters.

use std::{
    fs::{self, File},
    io::Read,
    process::Command,
};

use core_tests::{
    harness::{Broker, Install, Setup},
    trace::{Arg, Outcome, Tracee},
};
use nix::sys::signal::Signal;

use super::{ensure, symbols};
use crate::skip::needs_root;

/// What starts a process in a fresh network namespace.
const ALONE: [&str; 2] = ["/usr/bin/unshare", "--net"];
/// Counters of a namespace, and what stands there without any packet: settings.
const COUNTERS: &str = "/proc/self/net/snmp";
const SETTINGS: [&str; 6] =
    ["Forwarding", "DefaultTTL", "RtoAlgorithm", "RtoMin", "RtoMax", "MaxConn"];

/// A whole lookup, from its first call, in a worker that serves.
pub(super) fn lookup() -> Setup<()> {
    needs_root("a network namespace of the broker's own")?;
    ensure(!moved(&attempted()?).is_empty(), || "invalid: an attempt is not counted".into())?;
    let install = Install::new()?;
    install.add_long()?;
    let broker = Broker::start_behind(&ALONE.map(str::to_owned), install, &[])?;
    let worker = broker.try_load("long")?;
    // It stays readable when the namespace has nobody left.
    let mut of_worker = File::open(format!("/proc/{worker}/net/snmp"))?;
    let address = symbols::address(worker, "libc.so", |symbol| symbol == "getaddrinfo")?;
    let name = Arg::Text("example.com".to_owned());
    let arguments = [name, Arg::Num(0), Arg::Num(0), Arg::Bytes(vec![0; 8])];
    let ended = Tracee::seize_running(worker)?.end_by_jump(address, &arguments)?;
    ensure(ended == Outcome::Killed(Signal::SIGSYS), || format!("it ended so: {ended:?}"))?;
    let mut counters = String::new();
    of_worker.read_to_string(&mut counters)?;
    let of_broker = fs::read_to_string(format!("/proc/{}/net/snmp", broker.pid()))?;
    for (whose, counters) in [("the worker", &counters), ("the broker", &of_broker)] {
        ensure(counters.contains("Udp: "), || format!("invalid: {whose} has no counters"))?;
        let moved = moved(counters);
        ensure(moved.is_empty(), || format!("{whose}: {moved:?}"))?;
    }
    Ok(())
}

/// The counters after one packet to a network that is not there.
fn attempted() -> Setup<String> {
    let script = format!("echo >/dev/udp/127.0.0.1/53; cat {COUNTERS}");
    let [unshare, net] = ALONE;
    let output = Command::new(unshare).args([net, "/bin/bash", "-c", &script]).output()?;
    Ok(String::from_utf8(output.stdout)?)
}

/// Which counters are not 0: lines come in pairs, names and numbers.
fn moved(snmp: &str) -> Vec<String> {
    let lines: Vec<&str> = snmp.lines().collect();
    let pairs = lines.chunks_exact(2).flat_map(|pair| {
        let [names, numbers] = [pair[0], pair[1]].map(str::split_whitespace);
        names.zip(numbers).skip(1)
    });
    let moved = pairs.filter(|(name, number)| *number != "0" && !SETTINGS.contains(name));
    moved.map(|(name, number)| format!("{name} {number}")).collect()
}
