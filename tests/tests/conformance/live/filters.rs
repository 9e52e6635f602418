//! What the kernel holds for every thread of a live worker and broker, read with ptrace and taken
//! apart here: not what was meant to be installed, but what is.

use std::{fmt::Write, fs};

use core_policy::seccomp::{self, Insn, Stage};
use core_tests::{
    harness::{Broker, Setup, processes},
    trace::Tracee,
};
use nix::libc;

use super::{
    ensure,
    reading::{I386, NUMBERS, X32, X86_64, allowed, conditions},
    ready,
};
use crate::skip::needs_root;

/// The mission's bound on a serving worker.
const SERVE_MAX: usize = 20;
/// The reviewed list.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/live/golden.txt");

/// S01: the programs are the shipped ones, and together allow at most 20 numbers, on every thread.
pub(super) fn narrow() -> Setup<()> {
    for (tid, programs) in of_worker()? {
        let allowed = allowed_numbers(&programs);
        ensure((1..=SERVE_MAX).contains(&allowed.len()), || format!("thread {tid}: {allowed:?}"))?;
    }
    Ok(())
}

/// S01: what they allow, and for which arguments, is what was reviewed.
pub(super) fn golden() -> Setup<()> {
    needs_root("reading filters")?;
    let (broker, worker) = ready()?;
    let programs = of_thread(worker)?;
    let brokers = seccomp::filters(Stage::Broker);
    let load = brokers + seccomp::filters(Stage::Load);
    let mut list = String::new();
    for (name, count) in [("broker", brokers), ("load", load), ("serve", programs.len())] {
        let part = programs.get(..count).ok_or("fewer programs than stages")?;
        writeln!(list, "[{name}] {} calls", allowed_numbers(part).len())?;
        for nr in 0..NUMBERS {
            if let Some(conditions) = conditions(part, nr) {
                writeln!(list, "{nr} {}", reviewed(&conditions, nr, worker))?;
            }
        }
    }
    drop(broker);
    if std::env::var_os("CORE_GOLDEN_WRITE").is_some() {
        fs::write(GOLDEN, &list)?;
    }
    let before = fs::read_to_string(GOLDEN).unwrap_or_default();
    let changed = list.lines().zip(before.lines()).find(|(now, then)| now != then);
    ensure(list == before, || format!("not what was reviewed, first at {changed:?}"))
}

/// The worker's own number stands where it may signal itself.
fn reviewed(conditions: &str, nr: u32, worker: u32) -> String {
    match i64::from(nr) {
        libc::SYS_tgkill => conditions.replace(&format!("a0={worker:x}"), "a0=OWN"),
        _ => conditions.into(),
    }
}

/// S02: no call of the two other ABIs of the processor.
pub(super) fn other_abis_are_closed() -> Setup<()> {
    for (tid, programs) in of_worker()? {
        let x32 = (0..NUMBERS).filter(|nr| allowed(&programs, X86_64, *nr | X32)).count();
        let i386 = (0..NUMBERS).filter(|nr| allowed(&programs, I386, *nr)).count();
        ensure(x32 + i386 == 0, || format!("thread {tid}: x32 {x32}, i386 {i386}"))?;
    }
    Ok(())
}

/// N17: no thread of a broker makes a socket, and a pair of them only within itself, by what the
/// kernel holds for it. That was installed before it listened and cannot be taken back, so this is
/// every socket that it ever opens.
pub(super) fn broker_makes_no_socket() -> Setup<()> {
    needs_root("reading filters")?;
    let (broker, _) = ready()?;
    makes_no_socket(&broker)
}

fn makes_no_socket(broker: &Broker) -> Setup<()> {
    let unix = format!("a0={:x}", libc::AF_UNIX);
    for tid in processes::tasks(broker.pid()) {
        let programs = of_thread(tid)?;
        ensure(programs == seccomp::programs(Stage::Broker, broker.pid()), || {
            format!("thread {tid} of the broker: not the programs that ship")
        })?;
        let found = |call| Setup::Ok(conditions(&programs, u32::try_from(call)?));
        let (socket, pair) = (found(libc::SYS_socket)?, found(libc::SYS_socketpair)?);
        let only = socket.is_none() && pair.as_deref() == Some(unix.as_str());
        ensure(only, || format!("thread {tid}: a socket {socket:?}, a pair {pair:?}"))?;
        let x32 = allowed(&programs, X86_64, X32 | 41);
        let i386 = (0..NUMBERS).any(|nr| allowed(&programs, I386, nr));
        ensure(!x32 && !i386, || format!("thread {tid}: another ABI is open"))?;
    }
    Ok(())
}

fn allowed_numbers(programs: &[Vec<Insn>]) -> Vec<u32> {
    (0..NUMBERS).filter(|nr| allowed(programs, X86_64, *nr)).collect()
}

/// The filters of every thread of a fresh worker; the shipped programs are asserted on the way.
fn of_worker() -> Setup<Vec<(u32, Vec<Vec<Insn>>)>> {
    needs_root("reading filters")?;
    let (broker, worker) = ready()?;
    let own = |stage| seccomp::programs(stage, worker);
    let brokers = seccomp::programs(Stage::Broker, broker.pid());
    let shipped = [brokers, own(Stage::Load), own(Stage::Serve)].concat();
    let mut found = Vec::new();
    for tid in processes::tasks(worker) {
        let programs = of_thread(tid)?;
        ensure(programs == shipped, || format!("thread {tid}: not the programs that ship"))?;
        found.push((tid, programs));
    }
    ensure(found.len() > 1, || format!("{} threads; the engine has two", found.len()))?;
    Ok(found)
}

fn of_thread(tid: u32) -> Setup<Vec<Vec<Insn>>> {
    let tracee = Tracee::seize_running(tid)?;
    let programs = read(&tracee)?;
    tracee.detach()?;
    Ok(programs)
}

pub(super) fn read(tracee: &Tracee) -> Setup<Vec<Vec<Insn>>> {
    tracee.filters()
}
