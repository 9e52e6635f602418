//! P16, R03, M08: layers beneath the filters, each shown by itself and by its absence.

use std::{path::Path, process::Stdio, time::Duration};

use core_tests::{
    harness::{Bench, Layer, Layers, Setup, Stage, processes},
    trace::{Arg, Outcome, Tracee},
};
use nix::{libc, sys::signal::Signal};

use super::{busy, ensure};
use crate::{
    VARIANT,
    skip::{needs_root, skip},
    world::World,
};

/// Neither domain nor namespaces, so that a set-user-id program could be executed and would count.
const NO_DOMAIN: Layers = Layers::without(&[Layer::Landlock, Layer::Namespaces]);

/// P16: what `no_new_privs` is for.
pub(super) fn set_user_id() -> Setup<()> {
    let with = effective_uid(NO_DOMAIN)?;
    let without = effective_uid(Layers::NONE)?;
    ensure(without == "0", || format!("invalid: without no_new_privs it runs as {without}"))?;
    ensure(with != "0", || "the program runs as root".into())
}

fn effective_uid(layers: Layers) -> Setup<String> {
    needs_root("ptrace of a worker")?;
    let world = World::new()?;
    let install = world.install();
    let bench = Bench { install: &install, variant: VARIANT };
    let held = bench.hold(Path::new(&world.model), Stage::Landlock, layers)?;
    let program = Arg::Text(world.path("target/setuid"));
    let call = [program, Arg::Num(0), Arg::Num(0)];
    let outcome = held.tracee.inject(libc::SYS_execve.cast_unsigned(), &call)?;
    ensure(outcome == Outcome::Returned(0), || format!("invalid: execve gave {outcome:?}"))?;
    let uids = processes::status_field(held.tracee.pid(), "Uid").ok_or("no uids")?;
    Ok(uids.split_whitespace().nth(1).ok_or("no effective uid")?.to_owned())
}

/// R03: even with no domain around it and no filter, a worker's limit lets no file grow.
pub(super) fn no_disk_is_filled() -> Setup<()> {
    let with = appended(NO_DOMAIN)?;
    let without = appended(Layers::NONE)?;
    ensure(without == Outcome::Returned(1), || format!("invalid: without limits {without:?}"))?;
    let refused = [Outcome::Killed(Signal::SIGXFSZ), Outcome::Returned(-i64::from(libc::EFBIG))];
    ensure(refused.contains(&with), || format!("with the limit {with:?}"))
}

fn appended(layers: Layers) -> Setup<Outcome> {
    needs_root("ptrace of a worker")?;
    let world = World::new()?;
    let install = world.install();
    let bench = Bench { install: &install, variant: VARIANT };
    let held = bench.hold(Path::new(&world.model), Stage::Landlock, layers)?;
    let here = i64::from(libc::AT_FDCWD).cast_unsigned();
    let flags = u64::from((libc::O_WRONLY | libc::O_APPEND).cast_unsigned());
    let call = [Arg::Num(here), Arg::Text(world.canary.clone()), Arg::Num(flags)];
    let opened = held.tracee.inject(libc::SYS_openat.cast_unsigned(), &call)?;
    let Outcome::Returned(fd @ 0..) = opened else {
        return Err(format!("invalid: the canary gave {opened:?}").into());
    };
    let call = [Arg::Num(fd.cast_unsigned()), Arg::Text("x".into()), Arg::Num(1)];
    match held.tracee.inject(libc::SYS_write.cast_unsigned(), &call)? {
        // The signal stops the tracee on its way; its action is to end the process.
        Outcome::Returned(code) if code == -i64::from(libc::EFBIG) => Ok(Outcome::Returned(code)),
        other => Ok(other),
    }
}

/// M08: twice the budget is refused to the worker that asks, and the other answers as before.
pub(super) fn beyond_the_budget() -> Setup<()> {
    needs_root("ptrace of a worker")?;
    let (broker, worker) = busy()?;
    let limits = std::fs::read_to_string(format!("/proc/{worker}/limits"))?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max data size"));
    let limit = line.and_then(|line| line.split_whitespace().next()).unwrap_or("unlimited");
    let Ok(limit) = limit.parse::<u64>() else {
        return skip("the broker sets no RLIMIT_DATA yet: memory budgets are not in this version");
    };
    let running = broker
        .corectl_command(&["run", "long", "Once", "-n", "200", "--ignore-eos"])
        .stdout(Stdio::null())
        .spawn()?;
    let tracee = Tracee::seize_running(worker)?;
    let map = |bytes: u64| {
        let (both, private) = (3, (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS).cast_unsigned());
        let call = [0, bytes, both, u64::from(private), u64::MAX, 0].map(Arg::Num);
        tracee.inject(libc::SYS_mmap.cast_unsigned(), &call)
    };
    let (beyond, small) = (map(2 * limit)?, map(4096)?);
    tracee.detach()?;
    let refused = beyond == Outcome::Returned(-i64::from(libc::ENOMEM));
    ensure(refused, || format!("twice {limit} bytes: {beyond:?}"))?;
    let given = !matches!(small, Outcome::Returned(-4095..=-1)) && small != beyond;
    ensure(given, || format!("invalid: a page gave {small:?}"))?;
    let ended = running.wait_with_output()?;
    ensure(ended.status.success(), || format!("the stream ended: {}", ended.status))?;
    std::thread::sleep(Duration::from_millis(10));
    ensure(processes::alive(worker), || "the worker died of a refusal".into())
}
