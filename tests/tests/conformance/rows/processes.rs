//! P and M rows: processes, signals and memory.

use core_tests::trace::Arg;
use nix::{errno::Errno, libc};

use super::{killed, num, text, unsigned};
use crate::{
    attack::{Attack, Expect},
    world::World,
};

pub(super) fn all(world: &World) -> Vec<Attack> {
    [births(), signals(world), debugging(world), memory()].concat()
}

fn births() -> Vec<Attack> {
    let clone = |row, what: &str, flags: i32| {
        killed(row, what, libc::SYS_clone, vec![num(unsigned(flags)), num(0)]).anyhow()
    };
    vec![
        killed("P01", "fork", libc::SYS_fork, vec![]).anyhow(),
        clone("P01", "clone(SIGCHLD)", libc::SIGCHLD),
        killed("P02", "clone3", libc::SYS_clone3, vec![Arg::Bytes(vec![0; 64]), num(64)])
            .at_load(Expect::Fails(Errno::ENOSYS))
            .anyhow(),
        clone("P03", "clone(NEWUSER)", libc::CLONE_NEWUSER | libc::SIGCHLD),
        killed("P17", "unshare", libc::SYS_unshare, vec![num(unsigned(libc::CLONE_FILES))]),
    ]
}

fn signals(world: &World) -> Vec<Attack> {
    let (target, urgent) = (u64::from(world.target), unsigned(libc::SIGURG));
    let kill = |what: &str, pid: u64, signal: u64| {
        killed("P05", what, libc::SYS_kill, vec![num(pid), num(signal)])
    };
    let to_thread = vec![num(target), num(target), num(urgent)];
    vec![
        kill("kill a process of the same uid", target, urgent),
        kill("kill everybody", u64::MAX, 0).anyhow(),
        kill("kill init", 1, 0),
        killed("P05", "tgkill a process of the same uid", libc::SYS_tgkill, to_thread),
    ]
}

fn debugging(world: &World) -> Vec<Attack> {
    let target = u64::from(world.target);
    let ptrace = |what: &str, request: u64, pid: u64| {
        killed("P08", what, libc::SYS_ptrace, vec![num(request), num(pid), num(0), num(0)])
    };
    vec![
        // Even without any layer the user namespace stands between.
        ptrace("ptrace ATTACH", 16, target).reaching(Errno::EPERM),
        ptrace("ptrace TRACEME", 0, 0).anyhow(),
        killed("P18", "prctl DUMPABLE", libc::SYS_prctl, vec![num(4), num(1)]),
    ]
}

fn memory() -> Vec<Attack> {
    let rwx = unsigned(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC);
    let private = unsigned(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let arguments = vec![num(0), num(4096), num(rwx), num(private), num(u64::MAX), num(0)];
    vec![
        // MDWE refuses it as well, with EACCES; without the filters that is what is seen.
        killed("M01", "mmap RWX", libc::SYS_mmap, arguments).reaching(Errno::EACCES),
        killed("M05", "memfd_create", libc::SYS_memfd_create, vec![text("x"), num(0)]).at_serve(),
    ]
}
