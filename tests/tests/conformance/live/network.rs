//! N14: a worker that wants to know an address gets no packet out, not even an attempt at one.
//!
//! The broker has a network namespace of its own here, so that nothing else moves its counters.

use std::{fs::File, io::Read, path::Path, process::Command};

use core_tests::{
    harness::{Broker, Install, Setup},
    trace::{Arg, Tracee, Verdict},
};
use nix::libc;

use super::{ensure, symbols};
use crate::skip::{needs_root, skip};

/// What starts a process in a fresh network namespace.
const ALONE: [&str; 2] = ["/usr/bin/unshare", "--net"];
/// Counters of a namespace, under net/ of one of its processes; the second where it has IPv6.
const COUNTERS: [&str; 2] = ["snmp", "snmp6"];
/// What stands there without any packet: settings.
const SETTINGS: [&str; 6] =
    ["Forwarding", "DefaultTTL", "RtoAlgorithm", "RtoMin", "RtoMax", "MaxConn"];
/// Calls by which a lookup reads how it is to be done: they are answered as if there were no file.
const OF_FILES: [i64; 4] =
    [libc::SYS_openat, libc::SYS_open, libc::SYS_newfstatat, libc::SYS_access];

/// A whole lookup in a worker that serves: it gets as far as its first socket.
pub(super) fn lookup() -> Setup<()> {
    needs_root("a network namespace of the broker's own")?;
    if !Command::new(ALONE[0]).args([ALONE[1], "/bin/true"]).status()?.success() {
        return skip("a network namespace, which cannot be made here");
    }
    ensure(!moved(&attempted()?).is_empty(), || "invalid: an attempt is not counted".into())?;
    let install = Install::new()?;
    install.add_long()?;
    let broker = Broker::start_behind(&ALONE.map(str::to_owned), install, &[])?;
    let worker = broker.try_load("long")?;
    // They stay readable when the namespace has nobody left.
    let of_worker = counters(worker)?;
    let last = last_call_of_a_lookup(worker)?;
    ensure(last == libc::SYS_socket, || format!("it ended at call {last}, not at a socket"))?;
    for (whose, files) in [("the worker", of_worker), ("the broker", counters(broker.pid())?)] {
        for mut file in files {
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            ensure(text.contains("OutRequests"), || format!("invalid: {whose} has none: {text}"))?;
            let moved = moved(&text);
            ensure(moved.is_empty(), || format!("{whose}: {moved:?}"))?;
        }
    }
    Ok(())
}

/// Which call a lookup was killed for.
fn last_call_of_a_lookup(worker: u32) -> Setup<i64> {
    let address = symbols::address(worker, "libc.so", |symbol| symbol == "getaddrinfo")?;
    let name = Arg::Text("example.com".to_owned());
    let arguments = [name, Arg::Num(0), Arg::Num(0), Arg::Bytes(vec![0; 8])];
    let tracee = Tracee::seize_running(worker)?;
    tracee.enter(address, &arguments)?;
    let mut last = 0;
    let ended = tracee.run_until(|call| {
        last = call.number.cast_signed();
        match OF_FILES.contains(&last) {
            true => Verdict::Answer(-i64::from(libc::ENOENT)),
            false => Verdict::Pass,
        }
    });
    let how = ended.err().map(|error| error.to_string()).unwrap_or_default();
    ensure(how.contains("SIGSYS"), || format!("it ended so: {how}"))?;
    Ok(last)
}

fn counters(pid: u32) -> Setup<Vec<File>> {
    let paths = COUNTERS.map(|name| format!("/proc/{pid}/net/{name}"));
    let there = paths.iter().filter(|path| Path::new(path).exists());
    Ok(there.map(File::open).collect::<Result<_, _>>()?)
}

/// The counters after one packet to a network that is not there.
fn attempted() -> Setup<String> {
    let script = "echo >/dev/udp/127.0.0.1/53; cat /proc/self/net/snmp";
    let [unshare, net] = ALONE;
    let output = Command::new(unshare).args([net, "/bin/bash", "-c", script]).output()?;
    Ok(String::from_utf8(output.stdout)?)
}

/// Which counters are not 0. There is a line for each, or a line of names and one of numbers.
fn moved(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let of_v6 = |line: &&&str| line.starts_with("Ip6") || line.starts_with("Icmp6");
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    match lines.first().filter(of_v6) {
        Some(_) => {
            pairs.extend(text.lines().filter_map(|line| line.split_once(char::is_whitespace)))
        }
        None => pairs.extend(lines.chunks_exact(2).flat_map(|pair| {
            let [names, numbers] = [pair[0], pair[1]].map(str::split_whitespace);
            names.zip(numbers).skip(1)
        })),
    }
    let moved =
        pairs.into_iter().filter(|(name, number)| number.trim() != "0" && !SETTINGS.contains(name));
    moved.map(|(name, number)| format!("{name} {}", number.trim())).collect()
}
