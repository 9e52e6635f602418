//! P16, R03, M08: layers beneath the filters, each shown by itself and by its absence.

use std::{path::Path, time::Duration};

use core_tests::{
    harness::{Bench, Broker, Install, Layer, Layers, Setup, Stage, processes},
    rogue::{Door, Stream},
    trace::{Arg, Outcome, Tracee},
};
use nix::{libc, sys::signal::Signal};

use super::ensure;
use crate::{VARIANT, skip::needs_root, world::World};

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
    needs_root("a set-user-id program of root's")?;
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

/// M08: twice the budget is refused to the worker that asks, by every call that gives private
/// memory while serving, and the stream of a sibling does not notice. Shared memory and stacks of
/// further threads kill (rows M03, M08 and P04).
pub(super) fn beyond_the_budget() -> Setup<()> {
    needs_root("ptrace of a worker that its broker has started")?;
    let install = Install::new()?;
    let long = install.add_long()?;
    install.add_model("beside", &long)?;
    std::fs::write(install.root().join("core.toml"), "[defaults]\nthreads = 1\n")?;
    let broker = Broker::start(install, &[])?;
    let worker = broker.try_load("long")?;
    let beside = Stream::start(&Door::of(&broker)?, "beside")?;
    let limit = data_limit(worker)?;
    beside.undisturbed_by(|| {
        let tracee = Tracee::seize_running(worker)?;
        asks_beyond(&tracee, 2 * limit)?;
        tracee.detach()?;
        std::thread::sleep(Duration::from_millis(500));
        Ok(())
    })?;
    let answer = broker.corectl(&["run", "long", "Once", "-n", "20", "--ignore-eos"]);
    ensure(answer.code == 0, || format!("{answer:?}"))?;
    ensure(broker.worker("long") == Some(worker), || "the worker died of a refusal".into())
}

/// Bytes of `RLIMIT_DATA` as the kernel has it for a worker.
fn data_limit(worker: u32) -> Setup<u64> {
    let limits = std::fs::read_to_string(format!("/proc/{worker}/limits"))?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max data size"));
    let limit = line.and_then(|line| line.split_whitespace().next()).unwrap_or("unlimited");
    Ok(limit.parse().map_err(|_| format!("the data limit of a worker is {limit}"))?)
}

fn asks_beyond(tracee: &Tracee, bytes: u64) -> Setup<()> {
    let call = |number: i64, arguments: &[u64]| {
        let arguments: Vec<Arg> = arguments.iter().copied().map(Arg::Num).collect();
        tracee.inject(number.cast_unsigned(), &arguments)
    };
    let (none, both) = (libc::PROT_NONE.cast_unsigned(), 3);
    let private = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS).cast_unsigned();
    let lazy = private | libc::MAP_NORESERVE.cast_unsigned();
    let map = |bytes: u64, protection: u32, flags: u32| {
        let rest = [protection.into(), flags.into(), u64::MAX, 0];
        call(libc::SYS_mmap, &[&[0, bytes][..], &rest].concat())
    };
    let works = |what: &str, outcome: Outcome| match outcome {
        Outcome::Returned(value @ 0..) => Ok(value.cast_unsigned()),
        other => Err(format!("invalid: {what} gave {other:?}")),
    };
    let page = works("a page", map(4096, both, private)?)?;
    let reserved = works("memory that nobody may touch", map(bytes, none, private)?)?;
    let heap = works("the end of the heap", call(libc::SYS_brk, &[0])?)?;
    let may_move = libc::MREMAP_MAYMOVE.cast_unsigned().into();
    let refused = [
        ("mmap", map(bytes, both, private)?),
        ("mmap without a reserve", map(bytes, both, lazy)?),
        ("mprotect", call(libc::SYS_mprotect, &[reserved, bytes, both.into()])?),
        ("mremap", call(libc::SYS_mremap, &[page, 4096, bytes, may_move])?),
    ];
    for (what, outcome) in refused {
        let denied = outcome == Outcome::Returned(-i64::from(libc::ENOMEM));
        ensure(denied, || format!("{what} of {bytes} bytes: {outcome:?}"))?;
    }
    let grown = works("brk", call(libc::SYS_brk, &[heap + bytes])?)?;
    ensure(grown == heap, || format!("the heap grew from {heap:#x} to {grown:#x}"))?;
    call(libc::SYS_munmap, &[reserved, bytes]).map(drop)
}
