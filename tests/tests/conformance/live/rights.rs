//! F06, P18: what Landlock alone denies, right by right, and what the broker's filter alone denies,
//! condition by condition. The filters of a worker hide its domain behind them, so a
//! right that is missing shows only where no filter is yet.

use std::path::Path;

use core_tests::{
    harness::{Bench, Setup, Stage},
    trace::{Arg, Call, Outcome, Tracee},
};
use nix::libc;

use super::{ensure, ready};
use crate::{VARIANT, skip::needs_root, world::World};

/// One call that must be refused, and with which error.
type Denied = (&'static str, i64, Vec<Arg>, i32);

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
    let shell = vec![text("/bin/true"), Arg::Num(0), Arg::Num(0)];
    denied(tracee, ("execute", libc::SYS_execve, shell, libc::EACCES))
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
/// kernel would answer with something else than EPERM.
pub(crate) fn broker_is_denied(tracee: &Tracee) -> Setup<()> {
    let inet = [libc::AF_INET, libc::SOCK_STREAM, 0, 0].map(of_int);
    let one = |value: i32| vec![of_int(value), Arg::Num(0), Arg::Num(0)];
    let (terminal, threads) = (vec![Arg::Num(0), Arg::Num(FIOQSIZE)], thread_of_a_user());
    let calls: [Denied; 7] = [
        ("socket", libc::SYS_socket, inet.to_vec(), libc::EPERM),
        ("socketpair", libc::SYS_socketpair, inet.to_vec(), libc::EPERM),
        ("ioctl", libc::SYS_ioctl, terminal, libc::EPERM),
        ("clone", libc::SYS_clone, threads, libc::EPERM),
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

fn files(world: &World) -> Vec<Denied> {
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

fn new_files(world: &World) -> Vec<Denied> {
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
fn others(world: &World) -> Vec<Denied> {
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

fn denied(tracee: &Tracee, (what, number, arguments, errno): Denied) -> Setup<()> {
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
