//! F06, P18: what Landlock alone denies, right by right, and what the broker's filter alone denies,
//! condition by condition. The filters of a worker hide its domain behind them, so a
//! right that is missing shows only where no filter is yet.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use core_tests::{
    harness::{Bench, Setup, Stage},
    trace::{Arg, Call, Outcome, Tracee},
};
use nix::libc;

use super::{ensure, ready, symbols};
use crate::{VARIANT, skip::needs_root, world::World};

/// One call that must be refused, and with which error.
type Denied<'a> = (&'a str, i64, Vec<Arg>, i32);

/// Each right of a worker's domain denies by itself.
pub(crate) fn of_a_worker() -> Setup<()> {
    needs_root("ptrace of a worker")?;
    let world = World::new()?;
    let install = world.install();
    let bench = Bench { install: &install, variant: VARIANT };
    let held = bench.hold_edited(Path::new(&world.model), Stage::Landlock, &mut one_network)?;
    domain_denies(&held.tracee, &world)
}

/// Leaves a worker in the network namespace of this run, in which its listeners are, so that only
/// the domain stands between them.
pub(crate) fn one_network(_: &Tracee, call: Call) -> Option<i64> {
    (call.number == libc::SYS_unshare.cast_unsigned()).then_some(0)
}

/// That each right denies to a process that has its domain and no filter.
pub(crate) fn domain_denies(tracee: &Tracee, world: &World) -> Setup<()> {
    let calls = [files(world), new_files(world), others(world)].concat();
    calls.into_iter().try_for_each(|call| denied(tracee, call))?;
    tcp(tracee)?;
    name_is_denied(tracee, world)?;
    device_is_denied(tracee)?;
    execution_is_denied(tracee, world)
}

/// Commands to the one device that a broker may open; a worker has none.
fn device_is_denied(tracee: &Tracee) -> Setup<()> {
    let call = [here(), text("/dev/null"), of_int(libc::O_RDWR)];
    match tracee.inject(libc::SYS_openat.cast_unsigned(), &call)? {
        Outcome::Returned(fd @ 0..) => {
            let call = vec![Arg::Num(fd.cast_unsigned()), Arg::Num(libc::TCGETS), Arg::Num(0)];
            denied(tracee, ("a command to a device", libc::SYS_ioctl, call, libc::EACCES))
        }
        _ => Ok(()),
    }
}

/// What may be read is not thereby executed: a worker's own model, and a library that is a program
/// too, which a broker may read.
fn execution_is_denied(tracee: &Tracee, world: &World) -> Setup<()> {
    fs::set_permissions(&world.model, fs::Permissions::from_mode(0o755))?;
    let maps = fs::read_to_string("/proc/self/maps")?;
    let library = maps.lines().find_map(|line| line.split_whitespace().nth(5).filter(is_libc));
    for program in [&world.model, library.ok_or("this test has no C library")?, "/bin/true"] {
        let call = vec![text(program), Arg::Num(0), Arg::Num(0)];
        denied(tracee, (program, libc::SYS_execve, call, libc::EACCES))?;
    }
    Ok(())
}

fn is_libc(path: &&str) -> bool {
    path.ends_with("/libc.so.6")
}

/// Memory does not become executable: MDWE by itself.
pub(crate) fn memory_of_a_worker() -> Setup<()> {
    needs_root("ptrace of a worker")?;
    let world = World::new()?;
    let install = world.install();
    let bench = Bench { install: &install, variant: VARIANT };
    let held = bench.hold_edited(Path::new(&world.model), Stage::Landlock, &mut one_network)?;
    memory_is_denied(&held.tracee)
}

/// That a process without a filter gets no memory that is written and executed.
pub(crate) fn memory_is_denied(tracee: &Tracee) -> Setup<()> {
    let (all, private) = (7, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let call = [0, 4096, all, u64::from(private.cast_unsigned()), u64::MAX, 0].map(Arg::Num);
    denied(tracee, ("executable memory", libc::SYS_mmap, call.to_vec(), libc::EACCES))
}

/// H08: the rings of a live worker cannot be taken out of its memory or changed in it.
pub(crate) fn rings_are_fixed(worker: u32) -> Setup<()> {
    let tracee = Tracee::seize_running(worker)?;
    let rings = ["r--s", "rw-s"].map(|kind| {
        let is_ring = |line: &str| line.contains("memfd:ring") && line.contains(kind);
        let (ring, _) = symbols::mapping(worker, is_ring)?;
        let call = vec![Arg::Num(ring), Arg::Num(4096), Arg::Num(1)];
        denied(&tracee, ("a ring's mapping", libc::SYS_mprotect, call, libc::EPERM))
    });
    tracee.detach()?;
    rings.into_iter().collect()
}

/// As [`rings_are_fixed`], of a fresh worker.
pub(crate) fn rings_of_a_worker() -> Setup<()> {
    needs_root("ptrace of a worker")?;
    let (_broker, worker) = ready()?;
    rings_are_fixed(worker)
}

/// The broker's own calls with arguments that its filter does not list.
pub(crate) fn of_a_broker() -> Setup<()> {
    needs_root("ptrace of a broker")?;
    let (broker, _) = ready()?;
    let tracee = Tracee::seize_running(broker.pid())?;
    broker_is_denied(&tracee)?;
    tracee.detach()
}

/// That the filter denies to a broker what none of its calls needs. Each call is one that the
/// kernel would answer with something else.
pub(crate) fn broker_is_denied(tracee: &Tracee) -> Setup<()> {
    let inet = [libc::AF_INET, libc::SOCK_STREAM, 0, 0].map(of_int);
    let one = |value: i32| vec![of_int(value), Arg::Num(0), Arg::Num(0)];
    let (terminal, threads) = (vec![Arg::Num(0), Arg::Num(FIOQSIZE)], thread_of_a_user());
    let calls: [Denied<'_>; 8] = [
        ("socket", libc::SYS_socket, inet.to_vec(), libc::EPERM),
        ("socketpair", libc::SYS_socketpair, inet.to_vec(), libc::EPERM),
        ("ioctl", libc::SYS_ioctl, terminal, libc::EPERM),
        ("clone", libc::SYS_clone, threads, libc::EPERM),
        // Its flags lie in memory, where no filter looks.
        ("clone3", libc::SYS_clone3, one(0), libc::ENOSYS),
        ("unshare", libc::SYS_unshare, one(libc::CLONE_FS), libc::EPERM),
        ("prctl", libc::SYS_prctl, one(PR_GET_KEEPCAPS), libc::EPERM),
        ("seccomp", libc::SYS_seccomp, one(GET_NOTIF_SIZES), libc::EPERM),
    ];
    calls.into_iter().try_for_each(|call| denied(tracee, call))
}

/// `SECCOMP_GET_NOTIF_SIZES` of seccomp(2).
const GET_NOTIF_SIZES: i32 = 3;
/// `PR_GET_KEEPCAPS` of prctl(2).
const PR_GET_KEEPCAPS: i32 = 7;
/// Asks for a file's size, asm-generic/ioctls.h.
const FIOQSIZE: u64 = 0x5460;

/// A thread in a user namespace of its own, which no kernel makes.
fn thread_of_a_user() -> Vec<Arg> {
    vec![of_int(libc::CLONE_NEWUSER | libc::CLONE_THREAD), Arg::Num(0), Arg::Num(0)]
}

fn files(world: &World) -> Vec<Denied<'static>> {
    let open = |path: &str, flags: i32| vec![here(), text(path), of_int(flags), Arg::Num(0)];
    let (canary, own) = (&world.canary, world.path("target"));
    let (temp, list) = (world.path("root/temp"), libc::O_RDONLY | libc::O_DIRECTORY);
    let eacces = libc::EACCES;
    vec![
        ("open to write", libc::SYS_openat, open(canary, libc::O_WRONLY), eacces),
        ("open to read", libc::SYS_openat, open(canary, libc::O_RDONLY), eacces),
        ("open to list", libc::SYS_openat, open(&own, list), eacces),
        // Neither is empty or a file: where the domain lets them pass the kernel still refuses.
        ("remove a directory", libc::SYS_rmdir, vec![text(&temp)], eacces),
        ("remove a file", libc::SYS_unlink, vec![text(&temp)], eacces),
        ("truncate", libc::SYS_truncate, vec![text(canary), Arg::Num(0)], eacces),
    ]
}

fn new_files(world: &World) -> Vec<Denied<'static>> {
    let new = || text(&world.path("target/made"));
    let device = Arg::Num(libc::makedev(1, 3));
    let node = |kind: u32| vec![new(), Arg::Num(u64::from(kind | 0o600)), device.clone()];
    let eacces = libc::EACCES;
    vec![
        ("a directory", libc::SYS_mkdir, vec![new(), Arg::Num(0o700)], eacces),
        ("a file", libc::SYS_mknod, node(libc::S_IFREG), eacces),
        ("a socket", libc::SYS_mknod, node(libc::S_IFSOCK), eacces),
        ("a pipe", libc::SYS_mknod, node(libc::S_IFIFO), eacces),
        ("a character device", libc::SYS_mknod, node(libc::S_IFCHR), eacces),
        ("a block device", libc::SYS_mknod, node(libc::S_IFBLK), eacces),
        ("a symbolic link", libc::SYS_symlink, vec![text("/etc"), new()], eacces),
        ("a hard link", libc::SYS_link, vec![text(&world.canary), new()], eacces),
    ]
}

/// The scope of signals: processes outside the domain.
fn others(world: &World) -> Vec<Denied<'static>> {
    let target = Arg::Num(world.target().into());
    vec![("a signal", libc::SYS_kill, vec![target, Arg::Num(0)], libc::EPERM)]
}

/// A port to bind and a port to reach.
fn tcp(tracee: &Tracee) -> Setup<()> {
    let address = [&[2, 0][..], &0_u16.to_be_bytes(), &[127, 0, 0, 1], &[0; 8]].concat();
    for (what, number) in [("bind a port", libc::SYS_bind), ("reach a port", libc::SYS_connect)] {
        let socket = opened(tracee, libc::AF_INET)?;
        let call = vec![socket, Arg::Bytes(address.clone()), Arg::Num(16)];
        denied(tracee, (what, number, call, libc::EACCES))?;
    }
    Ok(())
}

/// That an abstract name of a process outside the domain cannot be reached.
fn name_is_denied(tracee: &Tracee, world: &World) -> Setup<()> {
    let name = world.listeners.name();
    let length = Arg::Num(name.len() as u64);
    let call = vec![opened(tracee, libc::AF_UNIX)?, Arg::Bytes(name), length];
    denied(tracee, ("an abstract name", libc::SYS_connect, call, libc::EPERM))
}

fn opened(tracee: &Tracee, family: i32) -> Setup<Arg> {
    let call = [family, libc::SOCK_STREAM, 0].map(of_int);
    match tracee.inject(libc::SYS_socket.cast_unsigned(), &call)? {
        Outcome::Returned(fd @ 0..) => Ok(Arg::Num(fd.cast_unsigned())),
        other => Err(format!("invalid: a socket gave {other:?}").into()),
    }
}

fn denied(tracee: &Tracee, (what, number, arguments, errno): Denied<'_>) -> Setup<()> {
    let outcome = tracee.inject(number.cast_unsigned(), &arguments)?;
    let holds = outcome == Outcome::Returned(-i64::from(errno));
    ensure(holds, || format!("{what}: {outcome:?} instead of error {errno}"))
}

fn text(text: &str) -> Arg {
    Arg::Text(text.into())
}

fn here() -> Arg {
    Arg::Num(i64::from(libc::AT_FDCWD).cast_unsigned())
}

fn of_int(value: i32) -> Arg {
    Arg::Num(u64::from(value.cast_unsigned()))
}
