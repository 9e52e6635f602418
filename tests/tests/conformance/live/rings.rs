//! H04, H06, H07, H08: what the seals and the mappings of the rings keep a worker from. At its very
//! start it still has both descriptors open, and no layer is in place: the seals stand alone.

use std::{path::Path, process::Stdio, time::Duration};

use core_policy::fds;
use core_tests::{
    harness::{Bench, Held, Layers, Setup, Stage},
    trace::{Arg, Outcome, Tracee, Verdict},
};
use nix::{errno::Errno, libc};

use super::{ensure, ready, symbols};
use crate::{VARIANT, skip::needs_root, world::World};

/// `F_SEAL_*` of fcntl(2).
const SEAL: i64 = 0x1;
const SHRINK: i64 = 0x2;
const GROW: i64 = 0x4;
const FUTURE_WRITE: i64 = 0x10;
const EXEC: i64 = 0x20;
const ADD_SEALS: u64 = 1033;
const GET_SEALS: u64 = 1034;
const PAGE: u64 = 4096;

/// A worker at its start, with the world that it lives in.
fn started(act: impl FnOnce(&Held) -> Setup<()>) -> Setup<()> {
    let world = World::new()?;
    let install = world.install();
    let bench = Bench { install: &install, variant: VARIANT };
    act(&bench.hold(Path::new(&world.model), Stage::Start, Layers::ALL)?)
}

fn call(held: &Held, number: i64, arguments: &[u64]) -> Setup<Outcome> {
    let arguments: Vec<Arg> = arguments.iter().copied().map(Arg::Num).collect();
    held.tracee.inject(number.cast_unsigned(), &arguments)
}

fn fails(what: &str, outcome: Outcome, errno: Errno) -> Setup<()> {
    let expected = Outcome::Returned(-i64::from(errno as i32));
    ensure(outcome == expected, || format!("{what}: {outcome:?} instead of {errno:?}"))
}

fn works(what: &str, outcome: Outcome) -> Setup<u64> {
    match outcome {
        Outcome::Returned(value @ 0..) => Ok(value.cast_unsigned()),
        other => Err(format!("invalid: {what} gave {other:?} in the control").into()),
    }
}

/// A memory file without seals, which every control is tried on.
fn plain(held: &Held) -> Setup<u64> {
    let arguments = [Arg::Text("plain".into()), Arg::Num(0)];
    works("memfd", held.tracee.inject(libc::SYS_memfd_create.cast_unsigned(), &arguments)?)
}

/// H04: neither segment can be shrunk, grown or punched.
pub(super) fn no_resize() -> Setup<()> {
    started(|held| {
        let resize = |fd: u64, bytes: u64| call(held, libc::SYS_ftruncate, &[fd, bytes]);
        for fd in [fds::RING_B, fds::RING_W].map(|fd| u64::from(fd.cast_unsigned())) {
            for bytes in [0, PAGE, 1 << 30] {
                fails(&format!("ftruncate of {fd} to {bytes}"), resize(fd, bytes)?, Errno::EPERM)?;
            }
        }
        // FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE: only B forbids it, by FUTURE_WRITE.
        let b = u64::from(fds::RING_B.cast_unsigned());
        let punched = call(held, libc::SYS_fallocate, &[b, 3, 0, PAGE])?;
        fails("a hole in B", punched, Errno::EPERM)?;
        let plain = plain(held)?;
        works("ftruncate", resize(plain, 2 * PAGE)?)?;
        works("a hole", call(held, libc::SYS_fallocate, &[plain, 3, 0, PAGE])?).map(drop)
    })
}

/// H06: B cannot be written or mapped to write, not by a second opening either.
pub(super) fn no_write() -> Setup<()> {
    started(|held| {
        let both = u64::from((libc::PROT_READ | libc::PROT_WRITE).cast_unsigned());
        let map = |fd: u64| call(held, libc::SYS_mmap, &[0, PAGE, both, 1, fd, 0]);
        let write = |fd: u64| {
            let arguments = [Arg::Num(fd), Arg::Text("x".into()), Arg::Num(1), Arg::Num(0)];
            held.tracee.inject(libc::SYS_pwrite64.cast_unsigned(), &arguments)
        };
        let b = u64::from(fds::RING_B.cast_unsigned());
        fails("pwrite", write(b)?, Errno::EPERM)?;
        fails("mmap", map(b)?, Errno::EPERM)?;
        let again = open(held, b)?;
        if let Outcome::Returned(fd @ 0..) = again {
            let fd = fd.cast_unsigned();
            fails("pwrite by a second opening", write(fd)?, Errno::EPERM)?;
            fails("mmap of a second opening", map(fd)?, Errno::EPERM)?;
        }
        let plain = plain(held)?;
        works("ftruncate", call(held, libc::SYS_ftruncate, &[plain, PAGE])?)?;
        works("pwrite", write(plain)?)?;
        works("mmap", map(plain)?).map(drop)
    })
}

fn open(held: &Held, fd: u64) -> Setup<Outcome> {
    let here = i64::from(libc::AT_FDCWD).cast_unsigned();
    let path = Arg::Text(format!("/proc/self/fd/{fd}"));
    let flags = u64::from(libc::O_RDWR.cast_unsigned());
    let arguments = [Arg::Num(here), path, Arg::Num(flags)];
    held.tracee.inject(libc::SYS_openat.cast_unsigned(), &arguments)
}

/// H07: the seals are exactly these, and a plain memory file has others.
pub(super) fn seals() -> Setup<()> {
    started(|held| {
        let seals = |fd: u64| call(held, libc::SYS_fcntl, &[fd, GET_SEALS]);
        let resize = GROW | SHRINK | SEAL | EXEC;
        for (fd, wanted) in [(fds::RING_B, resize | FUTURE_WRITE), (fds::RING_W, resize)] {
            let found = seals(u64::from(fd.cast_unsigned()))?;
            ensure(found == Outcome::Returned(wanted), || format!("{fd}: {found:?}"))?;
        }
        let plain = seals(plain(held)?)?;
        ensure(plain != Outcome::Returned(resize), || "invalid: a plain file is sealed".into())
    })
}

/// H07, MUT: when the kernel forgets one seal, the broker's own look stops it.
pub(super) fn a_forgotten_seal_stops_it() -> Setup<()> {
    needs_root("ptrace of a broker")?;
    let broker = super::with_model()?;
    let tracee = Tracee::seize_running(broker.pid())?;
    let loading = broker.corectl_command(&["load", "story"]).stdout(Stdio::piped()).spawn()?;
    let mut forgotten = 0;
    tracee.run_until(|call| {
        let seals =
            call.number == libc::SYS_fcntl.cast_unsigned() && call.arguments[1] == ADD_SEALS;
        forgotten += u32::from(seals);
        if seals { Verdict::RemoveAndHold } else { Verdict::Pass }
    })?;
    tracee.detach()?;
    let output = loading.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let refused = !output.status.success() && !text.contains("\"loaded\"");
    ensure(refused && forgotten == 1, || format!("{forgotten} forgotten, {text}"))?;
    std::thread::sleep(Duration::from_millis(100));
    ensure(broker.workers().is_empty(), || "a worker runs on unsealed rings".into())
}

/// H08: mseal or the seal refuses; a private page beside it shows that mprotect itself works.
pub(super) fn read_only() -> Setup<()> {
    needs_root("ptrace of a worker that its broker has started")?;
    let (_broker, worker) = ready()?;
    let is_ring = |line: &str| line.contains("memfd:") && line.contains(" r--s ");
    let (ring, _) = symbols::mapping(worker, is_ring)?;
    let (stack, _) = symbols::mapping(worker, |line| line.ends_with("[stack]"))?;
    let tracee = Tracee::seize_running(worker)?;
    let write = |at| {
        let both = u64::from((libc::PROT_READ | libc::PROT_WRITE).cast_unsigned());
        let call = [at, PAGE, both].map(Arg::Num);
        tracee.inject(libc::SYS_mprotect.cast_unsigned(), &call)
    };
    let (allowed, denied) = (write(stack)?, write(ring)?);
    let refused = [libc::EPERM, libc::EACCES].map(|errno| Outcome::Returned(-i64::from(errno)));
    let holds = allowed == Outcome::Returned(0) && refused.contains(&denied);
    ensure(holds, || format!("the stack: {allowed:?}, the ring: {denied:?}"))?;
    tracee.detach()
}
