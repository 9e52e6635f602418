//! F rows: files and programs.

use nix::{errno::Errno, libc};

use super::{at_fdcwd, denied_open, denied_write, killed, num, open_at, text};
use crate::{attack::Attack, world::World};

pub(super) fn all(world: &World) -> Vec<Attack> {
    let (model, canary) = (&world.model, &world.canary);
    let mut attacks: Vec<_> = ["/etc/passwd", "/etc/shadow"]
        .into_iter()
        .map(|path| denied_open("F01", path, libc::O_RDONLY))
        .collect();
    attacks.extend([
        denied_open("F01", canary, libc::O_RDONLY),
        denied_open("F02", &world.sibling_model, libc::O_RDONLY),
        denied_write("F03", model, libc::O_RDWR),
        denied_write("F03", "/proc/self/fd/8", libc::O_RDWR),
        killed("F04", "truncate own model", libc::SYS_truncate, vec![text(canary), num(1)]),
        killed("F04", "O_TRUNC", libc::SYS_openat, open_at(canary, libc::O_WRONLY | libc::O_TRUNC)),
        denied_open("F05", &world.models, libc::O_RDONLY | libc::O_DIRECTORY),
        denied_write("F06", &world.fresh("tmp-file"), libc::O_CREAT | libc::O_WRONLY),
        denied_write("F07", &world.fresh("temp-file"), libc::O_CREAT | libc::O_WRONLY),
        killed("F07", "pwrite", libc::SYS_pwrite64, vec![num(2), text("x"), num(1), num(0)])
            .reaching(Errno::ESPIPE),
    ]);
    attacks.extend(execution(world));
    attacks
}

fn execution(world: &World) -> Vec<Attack> {
    let none = || num(0);
    vec![
        killed(
            "F12",
            "execve /bin/true",
            libc::SYS_execve,
            vec![text("/bin/true"), none(), none()],
        ),
        killed("F12", "execveat", libc::SYS_execveat, {
            vec![num(at_fdcwd()), text("/bin/true"), none(), none(), none()]
        }),
        denied_open("F15", &format!("/proc/{}/status", world.broker), libc::O_RDONLY),
        denied_open("F15", &format!("/proc/{}/cmdline", world.broker), libc::O_RDONLY),
    ]
}
