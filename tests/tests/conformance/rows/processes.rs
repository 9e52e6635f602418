//! P01 to P10, R02: processes, threads and signals.

use core_tests::trace::Arg;
use nix::{errno::Errno, libc, sys::signal::Signal};

use super::{killed, num, unsigned};
use crate::{
    attack::{Attack, Expect, Works},
    world::{Harm, World},
};

/// What a thread of the OpenMP team is started with, and nothing else may be.
const THREAD: u64 = 0x3d_0f00;
/// A thread that is started by the control ends at its first step, because this is no stack.
const NO_STACK: u64 = 8;
/// `PTRACE_ATTACH` and `PTRACE_SEIZE`.
const ATTACH: u64 = 16;
const SEIZE: u64 = 0x4206;

pub(super) fn all(world: &World) -> Vec<Attack> {
    [copies(world), births(), flags(), signals(), own_signals(), tracing(), handles()].concat()
}

fn births() -> Vec<Attack> {
    let clone = |row, what: &str, flags: i32| {
        killed(row, what, libc::SYS_clone, vec![num(unsigned(flags)), num(0)]).anyhow()
    };
    vec![
        killed("P01", "fork", libc::SYS_fork, vec![]).anyhow(),
        clone("P01", "clone(SIGCHLD)", libc::SIGCHLD),
        killed("R02", "the first fork of a bomb", libc::SYS_fork, vec![]).anyhow(),
        killed("P02", "clone3", libc::SYS_clone3, vec![Arg::Bytes(vec![0; 64]), num(64)])
            .at_load(Expect::Fails(Errno::ENOSYS))
            .anyhow(),
        clone("P03", "clone(NEWUSER)", libc::CLONE_NEWUSER | libc::SIGCHLD),
        killed("P04", "start a thread", libc::SYS_clone, vec![num(THREAD), num(NO_STACK)])
            .at_serve()
            .unfiltered(),
    ]
}

/// P03: each of the 64 bits in turn.
fn flags() -> Vec<Attack> {
    let flipped = |bit: u32| {
        let arguments = vec![num(THREAD ^ (1 << bit)), num(NO_STACK)];
        let what = format!("a thread with bit {bit} turned");
        killed("P03", &what, libc::SYS_clone, arguments).unfiltered()
    };
    (0..64).map(flipped).collect()
}

fn signals() -> Vec<Attack> {
    let (stop, end) = (unsigned(libc::SIGSTOP), unsigned(libc::SIGTERM));
    let harmless = unsigned(libc::SIGURG);
    let kill = |what: &str, pid: Arg, signal: u64| {
        killed("P05", what, libc::SYS_kill, vec![pid, num(signal)])
    };
    let to_thread = |signal| vec![Arg::Other, Arg::Other, num(signal)];
    let everybody = num(u64::MAX);
    let seen = Harm::Bystander;
    vec![
        kill("kill a process of the same user", Arg::Other, end).harming(seen),
        kill("stop a process of the same user", Arg::Other, stop).harming(seen),
        kill("kill everybody", everybody, 0).anyhow(),
        kill("kill init", num(1), 0).reaching(Errno::EPERM),
        // As root it is somebody else's, as an ordinary user it is the worker's own user's.
        kill("kill whoever plays the broker", num(std::process::id().into()), 0).anyhow(),
        killed("P05", "tgkill", libc::SYS_tgkill, to_thread(end)).harming(seen),
        killed("P05", "abort another", libc::SYS_tgkill, to_thread(unsigned(libc::SIGABRT)))
            .harming(seen),
        killed("P05", "tkill", libc::SYS_tkill, vec![Arg::Other, num(end)]).harming(seen),
        killed("P05", "queue a signal", libc::SYS_rt_sigqueueinfo, {
            vec![Arg::Other, num(harmless), Arg::Bytes(queued())]
        }),
    ]
}

/// A `siginfo_t` as sigqueue(3) fills it: a sender may give itself only codes below zero.
fn queued() -> Vec<u8> {
    let mut info = vec![0; 128];
    info[..4].copy_from_slice(&libc::SIGURG.to_le_bytes());
    info[8..12].copy_from_slice(&libc::SI_QUEUE.to_le_bytes());
    info
}

fn own_signals() -> Vec<Attack> {
    let own = |what: &str, signal: i32, control: Works| {
        let arguments = vec![Arg::Own, Arg::Own, num(unsigned(signal))];
        let attack = killed("P06", what, libc::SYS_tgkill, arguments);
        Attack { control, ..attack }
    };
    vec![
        own("tgkill(self, SIGKILL)", libc::SIGKILL, Works::Dies(Signal::SIGKILL)),
        own("tgkill(self, SIGSEGV)", libc::SIGSEGV, Works::Unfiltered),
        own("tgkill(self, SIGURG)", libc::SIGURG, Works::Succeeds),
        own("tgkill(self, 0)", 0, Works::Succeeds),
    ]
}

/// P09: the memory of a process that is as it was when this run began: it moves with each start.
fn copies(world: &World) -> Vec<Attack> {
    let at = [world.target_bytes().to_le_bytes(), 9_u64.to_le_bytes()].concat();
    let copy = |what: &str, number, bytes: &[u8]| {
        let (own, theirs) = (Arg::Vector(bytes.to_vec()), Arg::Bytes(at.clone()));
        killed("P09", what, number, vec![Arg::Other, own, num(1), theirs, num(1), num(0)])
    };
    vec![
        copy("read another's memory", libc::SYS_process_vm_readv, &[0; 9]),
        copy("write another's memory", libc::SYS_process_vm_writev, b"OVERWRITE")
            .harming(Harm::Bystander),
        killed("P09", "process_madvise", libc::SYS_process_madvise, super::zeros()).anyhow(),
        killed("P09", "kcmp", libc::SYS_kcmp, vec![Arg::Own, Arg::Other, num(1), num(0)]).anyhow(),
    ]
}

fn tracing() -> Vec<Attack> {
    let ptrace = |what: &str, request: u64, pid: Arg| {
        killed("P08", what, libc::SYS_ptrace, vec![num(request), pid, num(0), num(0)])
    };
    vec![
        ptrace("ptrace ATTACH", ATTACH, Arg::Other).harming(Harm::Bystander),
        ptrace("ptrace SEIZE", SEIZE, Arg::Other).harming(Harm::Bystander),
        // It has a tracer: the suite.
        ptrace("ptrace TRACEME", 0, num(0)).reaching(Errno::EPERM),
    ]
}

fn handles() -> Vec<Attack> {
    let handle = || vec![Arg::Other, num(0)];
    vec![
        killed("P10", "pidfd_open", libc::SYS_pidfd_open, handle()),
        killed("P10", "pidfd_getfd", libc::SYS_pidfd_getfd, vec![Arg::Prior, num(0), num(0)])
            .after(libc::SYS_pidfd_open, handle()),
        killed("P10", "pidfd_send_signal", libc::SYS_pidfd_send_signal, {
            vec![Arg::Prior, num(unsigned(libc::SIGTERM)), num(0), num(0)]
        })
        .after(libc::SYS_pidfd_open, handle())
        .harming(Harm::Bystander),
    ]
}
