//! F09 to F11, F17 to F21: names, links, attributes and mounts.

use core_tests::trace::Arg;
use nix::{errno::Errno, libc};

use super::{at_fdcwd, bytes, denied_open, killed, num, text, unsigned, zeros};
use crate::{
    attack::{Attack, Expect},
    world::{Harm, World},
};

/// `AT_EMPTY_PATH`, with which newfstatat is allowed while loading.
const EMPTY_PATH: u64 = 0x1000;

pub(super) fn all(world: &World) -> Vec<Attack> {
    [links(world), special(world), asking(world), attributes(world), mounts(world)].concat()
}

fn links(world: &World) -> Vec<Attack> {
    let new = |name: &str| text(&world.path(&format!("target/{name}")));
    let canary = || text(&world.canary);
    let here = || num(at_fdcwd());
    vec![
        made("F09", "symlink to /etc", libc::SYS_symlink, vec![text("/etc"), new("etc")]),
        made("F09", "symlinkat", libc::SYS_symlinkat, vec![text("/etc"), here(), new("etc")]),
        denied_open("F09", &world.path("root/cache/link/passwd"), libc::O_RDONLY),
        made("F10", "link", libc::SYS_link, vec![canary(), new("linked")]),
        made("F10", "linkat", libc::SYS_linkat, {
            vec![here(), canary(), here(), new("linked"), num(0)]
        }),
        made("F10", "rename", libc::SYS_rename, vec![canary(), new("renamed")]),
        made("F10", "renameat2", libc::SYS_renameat2, {
            vec![here(), canary(), here(), new("renamed"), num(0)]
        }),
        made("F10", "unlink", libc::SYS_unlink, vec![canary()]),
        made("F10", "mkdir", libc::SYS_mkdir, vec![new("directory"), num(0o700)]),
    ]
}

fn special(world: &World) -> Vec<Attack> {
    let new = |name: &str| text(&world.path(&format!("target/{name}")));
    let unix = [libc::AF_UNIX, libc::SOCK_STREAM, 0].map(|value| num(unsigned(value)));
    let path = world.path("target/bound");
    let address = [&[1, 0], path.as_bytes(), &[0]].concat();
    let length = address.len() as u64;
    let (fifo, file) = (libc::S_IFIFO | 0o600, libc::S_IFREG | 0o600);
    vec![
        made("F11", "mkfifo", libc::SYS_mknod, vec![new("fifo"), num(fifo.into()), num(0)]),
        made("F11", "mknod", libc::SYS_mknod, vec![new("node"), num(file.into()), num(0)]),
        made("F11", "mknodat", libc::SYS_mknodat, {
            vec![num(at_fdcwd()), new("node"), num(fifo.into()), num(0)]
        }),
        // A device: no ordinary user may, so the control is the kernel's own refusal.
        killed("F11", "mknod of a device", libc::SYS_mknod, {
            vec![new("device"), num((libc::S_IFCHR | 0o600).into()), num(0x103)]
        })
        .reaching(Errno::EPERM),
        made("F11", "bind a Unix socket", libc::SYS_bind, {
            vec![Arg::Prior, Arg::Bytes(address), num(length)]
        })
        .after(libc::SYS_socket, unix.to_vec()),
    ]
}

/// F17, F18: whether something exists, and by what handle.
fn asking(world: &World) -> Vec<Attack> {
    let (path, here) = (|| text(&world.canary), || num(at_fdcwd()));
    let ask = |what, number, arguments| killed("F18", what, number, arguments);
    let handle = [&128_u32.to_le_bytes()[..], &[0; 132]].concat();
    vec![
        killed("F17", "open_by_handle_at", libc::SYS_open_by_handle_at, {
            vec![here(), Arg::Bytes(handle.clone()), num(0)]
        })
        .anyhow(),
        killed("F17", "name_to_handle_at", libc::SYS_name_to_handle_at, {
            vec![here(), path(), Arg::Bytes(handle), bytes(8), num(0)]
        }),
        ask("stat", libc::SYS_stat, vec![path(), bytes(144)]),
        ask("lstat", libc::SYS_lstat, vec![path(), bytes(144)]),
        ask("access", libc::SYS_access, vec![path(), num(0)]),
        ask("faccessat2", libc::SYS_faccessat2, vec![here(), path(), num(0), num(0)]),
        ask("statx", libc::SYS_statx, vec![here(), path(), num(0), num(0x7ff), bytes(256)]),
        ask("statfs", libc::SYS_statfs, vec![path(), bytes(120)]),
        ask("newfstatat", libc::SYS_newfstatat, vec![here(), path(), bytes(144), num(0)]),
        ask("readlink", libc::SYS_readlink, {
            vec![text(&world.path("root/cache/link")), bytes(64), num(64)]
        }),
        // The flag that the C library needs does not keep a path out: THREATS says so.
        ask("newfstatat with the flag of LOAD", libc::SYS_newfstatat, {
            vec![here(), path(), bytes(144), num(EMPTY_PATH)]
        })
        .at_load(Expect::Residual),
    ]
}

fn attributes(world: &World) -> Vec<Attack> {
    let path = || text(&world.canary);
    let own = u64::from(world.install().uid);
    let changed = |what, number, arguments| made("F19", what, number, arguments);
    vec![
        changed("chmod", libc::SYS_chmod, vec![path(), num(0o400)]),
        changed("fchmodat", libc::SYS_fchmodat, vec![num(at_fdcwd()), path(), num(0o400)]),
        changed("chown", libc::SYS_chown, vec![path(), num(own), num(own)]),
        changed("fchmod", libc::SYS_fchmod, vec![Arg::Prior, num(0o400)])
            .after(libc::SYS_openat, super::open_at(&world.canary, libc::O_RDONLY)),
        changed("utimensat", libc::SYS_utimensat, vec![num(at_fdcwd()), path(), num(0), num(0)]),
        killed("F19", "setxattr", libc::SYS_setxattr, {
            vec![path(), text("user.core"), text("x"), num(1), num(0)]
        })
        .anyhow(),
    ]
}

/// F21: an ordinary user may do none of it, so EPERM from the kernel is the control.
fn mounts(world: &World) -> Vec<Attack> {
    let directory = || text(&world.path("target"));
    let tried =
        |what, number, arguments| killed("F21", what, number, arguments).reaching(Errno::EPERM);
    vec![
        tried("mount", libc::SYS_mount, {
            vec![text("none"), directory(), text("tmpfs"), num(0), num(0)]
        }),
        tried("umount2", libc::SYS_umount2, vec![directory(), num(0)]),
        tried("pivot_root", libc::SYS_pivot_root, vec![directory(), directory()]),
        tried("chroot", libc::SYS_chroot, vec![directory()]),
        tried("fsopen", libc::SYS_fsopen, vec![text("tmpfs"), num(0)]),
        tried("move_mount", libc::SYS_move_mount, {
            vec![num(at_fdcwd()), directory(), num(at_fdcwd()), directory(), num(0)]
        }),
        killed("F21", "open_tree", libc::SYS_open_tree, vec![num(at_fdcwd()), text("/"), num(0)]),
        tried("fsmount", libc::SYS_fsmount, zeros()).anyhow(),
        tried("fspick", libc::SYS_fspick, zeros()).anyhow(),
        tried("mount_setattr", libc::SYS_mount_setattr, zeros()).anyhow(),
    ]
}

fn made(row: &'static str, what: &str, number: i64, arguments: Vec<Arg>) -> Attack {
    killed(row, what, number, arguments).harming(Harm::Files)
}
