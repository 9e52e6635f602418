//! F12, F13, P16: running programs, and making a file's bytes code. F26, D03: devices.

use core_tests::trace::Arg;
use nix::{errno::Errno, libc};

use super::{at_fdcwd, bytes, denied_open, killed, num, open_at, text, unsigned};
use crate::{attack::Attack, world::World};

/// `AT_EMPTY_PATH` of execveat(2).
const EMPTY_PATH: u64 = 0x1000;

pub(super) fn all(world: &World) -> Vec<Attack> {
    [programs(), code(world), devices()].concat()
}

fn programs() -> Vec<Attack> {
    let none = || num(0);
    vec![
        killed("F12", "execve /bin/true", libc::SYS_execve, {
            vec![text("/bin/true"), none(), none()]
        }),
        killed("F12", "execve /bin/sh", libc::SYS_execve, vec![text("/bin/sh"), none(), none()]),
        killed("F12", "execveat", libc::SYS_execveat, {
            vec![num(at_fdcwd()), text("/bin/true"), none(), none(), none()]
        }),
        // An empty memory file is no program: that the kernel says so is the control.
        killed("F12", "execveat of a memory file", libc::SYS_execveat, {
            vec![Arg::Prior, text(""), none(), none(), num(EMPTY_PATH)]
        })
        .after(libc::SYS_memfd_create, vec![text("program"), num(0)])
        .reaching(Errno::ENOEXEC),
    ]
}

fn code(world: &World) -> Vec<Attack> {
    let elf = world.path("root/cache/elf");
    let read_exec = unsigned(libc::PROT_READ | libc::PROT_EXEC);
    let private = unsigned(libc::MAP_PRIVATE);
    vec![
        denied_open("F13", &elf, libc::O_RDONLY),
        killed("F13", "map a file's bytes as code", libc::SYS_mmap, {
            vec![num(0), num(4096), num(read_exec), num(private), Arg::Prior, num(0)]
        })
        .after(libc::SYS_openat, open_at(&elf, libc::O_RDONLY)),
        killed("F13", "map the own model as code", libc::SYS_mmap, {
            vec![num(0), num(4096), num(read_exec), num(private), num(8), num(0)]
        }),
    ]
}

fn devices() -> Vec<Attack> {
    let ask = |row, what, fd, request: u64| {
        killed(row, what, libc::SYS_ioctl, vec![num(fd), num(request), bytes(64)])
    };
    vec![
        ask("F26", "ioctl FIONREAD of the log pipe", 2, libc::FIONREAD),
        ask("F26", "ioctl TCGETS of /dev/null", 0, libc::TCGETS).reaching(Errno::ENOTTY),
        ask("D03", "ioctl TIOCSTI", 0, libc::TIOCSTI).reaching(Errno::ENOTTY),
    ]
}
