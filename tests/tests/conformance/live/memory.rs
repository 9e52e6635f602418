//! R06: when memory runs out, it is the worker that dies. A memory cgroup around broker and worker
//! plays a small machine.

use core_tests::{
    harness::{Machine, Setup, processes},
    trace::{Arg, Outcome, Tracee},
};
use nix::{libc, sys::signal::Signal};

use super::{busy, ensure};
use crate::skip::{needs_root, skip};

/// What the small machine has. What the processes had before they came to it does not count.
const MACHINE_BYTES: u64 = 48 << 20;
/// What it gets once somebody has died, so that the next worker has room.
const GROWN_BYTES: u64 = 1 << 30;
/// What the worker takes: more than that.
const TAKEN_BYTES: u64 = 2 * MACHINE_BYTES;
const PAGE: u64 = 4096;

pub(super) fn the_worker_dies_first() -> Setup<()> {
    needs_root("making a memory cgroup")?;
    let Some(machine) = Machine::with(MACHINE_BYTES) else {
        return skip("no memory cgroup can be made here");
    };
    let (broker, worker) = busy()?;
    machine.take(broker.pid())?;
    machine.take(worker)?;
    let end = take_memory(worker)?;
    machine.has(GROWN_BYTES)?;
    ensure(end == Outcome::Killed(Signal::SIGKILL), || format!("the worker: {end:?}"))?;
    ensure(processes::alive(broker.pid()), || "the broker died".into())?;
    let again = broker.corectl(&["run", "long", "Once", "-n", "4", "--ignore-eos"]);
    let told = || format!("the broker does not go on: {again:?}");
    // The next worker is the broker's child and so on the same small machine, which has room.
    ensure(again.code == 0, told)?;
    // Told from a kill by somebody: the kernel's own count has moved.
    let deaths = broker.corectl(&["status"]).lines.first().map(|status| status["deaths"].clone());
    let deaths = deaths.unwrap_or_default();
    ensure(deaths["memory"] == 1 && deaths["killed"] == 0, || format!("counted as {deaths}"))?;
    drop(broker);
    drop(machine);
    Ok(())
}

/// Lets the worker touch one page after another, by a call that writes a time to it.
fn take_memory(worker: u32) -> Setup<Outcome> {
    let tracee = Tracee::seize_running(worker)?;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let call = [0, TAKEN_BYTES, 3, u64::from(flags.cast_unsigned()), u64::MAX, 0].map(Arg::Num);
    let outcome = tracee.inject(libc::SYS_mmap.cast_unsigned(), &call)?;
    let Outcome::Returned(at @ 0..) = outcome else {
        tracee.detach()?;
        return skip(format!("a data limit refuses it before any memory is taken: {outcome:?}"));
    };
    for page in 0..TAKEN_BYTES / PAGE {
        let call = [0, at.cast_unsigned() + page * PAGE].map(Arg::Num);
        match tracee.inject(libc::SYS_clock_gettime.cast_unsigned(), &call)? {
            Outcome::Returned(_) => {}
            end => return Ok(end),
        }
    }
    tracee.detach()?;
    Err("invalid: the cgroup has no limit".into())
}
