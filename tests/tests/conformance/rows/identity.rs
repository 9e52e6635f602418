//! P15 to P20: who the process is, what namespaces it is in, what it may become.

use core_tests::trace::Arg;
use nix::{errno::Errno, libc};

use super::{bytes, killed, num, unsigned};
use crate::{attack::Attack, world::World};

/// Options of prctl(2) that exist, and the numbers that may come next.
const OPTIONS: std::ops::RangeInclusive<u64> = 1..=80;
/// `PR_SET_PTRACER`, which lies outside of that range.
const SET_PTRACER: u64 = 0x5961_6d61;
/// What can be unshared, by clone's flags.
const KINDS: [(&str, i32); 11] = [
    ("mounts", libc::CLONE_NEWNS),
    ("cgroups", libc::CLONE_NEWCGROUP),
    ("host names", libc::CLONE_NEWUTS),
    ("IPC", libc::CLONE_NEWIPC),
    ("users", libc::CLONE_NEWUSER),
    ("processes", libc::CLONE_NEWPID),
    ("networks", libc::CLONE_NEWNET),
    ("clocks", 0x80),
    ("descriptors", libc::CLONE_FILES),
    ("directories", libc::CLONE_FS),
    ("semaphores", libc::CLONE_SYSVSEM),
];

pub(super) fn all(world: &World) -> Vec<Attack> {
    [users(world), namespaces(), options(), domains()].concat()
}

fn users(world: &World) -> Vec<Attack> {
    let own = u64::from(world.install().uid);
    let header = Arg::Bytes([&0x2008_0522_u32.to_le_bytes()[..], &[0; 4]].concat());
    let same = |what, number, count| killed("P15", what, number, vec![num(own); count]);
    vec![
        same("setuid to the own user", libc::SYS_setuid, 1),
        same("setgid to the own group", libc::SYS_setgid, 1),
        same("setresuid", libc::SYS_setresuid, 3),
        same("setresgid", libc::SYS_setresgid, 3),
        same("setreuid", libc::SYS_setreuid, 2),
        same("setfsuid", libc::SYS_setfsuid, 1),
        killed("P15", "setuid to root", libc::SYS_setuid, vec![num(0)]).reaching(Errno::EPERM),
        killed("P15", "setgroups", libc::SYS_setgroups, vec![num(1), bytes(4)])
            .reaching(Errno::EPERM),
        killed("P15", "capset of nothing", libc::SYS_capset, vec![header.clone(), bytes(24)]),
        killed("P15", "capset of all", libc::SYS_capset, {
            vec![header, Arg::Bytes(vec![0xff; 24])]
        })
        .reaching(Errno::EPERM),
    ]
}

fn namespaces() -> Vec<Attack> {
    let unshare = |(name, flag): (&str, i32)| {
        let flag = num(unsigned(flag));
        killed("P17", &format!("unshare {name}"), libc::SYS_unshare, vec![flag]).anyhow()
    };
    let mut attacks: Vec<_> = KINDS.into_iter().map(unshare).collect();
    attacks.push(
        killed("P17", "setns", libc::SYS_setns, vec![num(2), num(0)]).reaching(Errno::EINVAL),
    );
    attacks
}

fn options() -> Vec<Attack> {
    let call = |what: &str, option: u64, argument: u64| {
        let arguments = vec![num(option), num(argument), num(0), num(0), num(0)];
        killed("P18", what, libc::SYS_prctl, arguments)
    };
    let mut attacks = vec![
        call("prctl DUMPABLE 1", 4, 1),
        call("prctl SET_PTRACER", SET_PTRACER, u64::MAX).anyhow(),
        call("prctl NO_NEW_PRIVS 0", 38, 0).reaching(Errno::EINVAL),
        call("prctl SYSCALL_USER_DISPATCH", 59, 0),
        call("prctl SET_MM", 35, 1).anyhow(),
    ];
    let any = |option| call(&format!("prctl {option}"), option, 0).unfiltered();
    attacks.extend(OPTIONS.map(any));
    attacks
}

fn domains() -> Vec<Attack> {
    vec![
        killed("P20", "landlock_restrict_self", libc::SYS_landlock_restrict_self, {
            vec![num(u64::from(u32::MAX)), num(0)]
        })
        // Without no_new_privs that is what is looked at first.
        .reaching(Errno::EPERM),
        killed("P20", "landlock_create_ruleset", libc::SYS_landlock_create_ruleset, {
            vec![num(0), num(0), num(1)]
        }),
        killed("P20", "a filter that only listens", libc::SYS_seccomp, {
            vec![num(1), num(8), bytes(16)]
        })
        .anyhow(),
        killed("P20", "seccomp strict mode", libc::SYS_seccomp, vec![num(0), num(1), num(0)])
            .reaching(Errno::EINVAL),
    ]
}
