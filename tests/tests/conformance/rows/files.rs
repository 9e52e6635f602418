//! F01 to F08, F14, F15: opening and changing files.

use core_tests::trace::Arg;
use nix::{errno::Errno, libc};

use super::{bytes, denied_open, denied_write, killed, num, open_at, text, unsigned};
use crate::{
    attack::Attack,
    world::{Harm, World},
};

pub(super) fn all(world: &World) -> Vec<Attack> {
    [reading(world), writing(world), theirs(world), others(world)].concat()
}

fn reading(world: &World) -> Vec<Attack> {
    vec![
        denied_open("F01", "/etc/passwd", libc::O_RDONLY),
        shadow(),
        denied_open("F01", &world.canary, libc::O_RDONLY),
        denied_open("F02", &world.sibling_model, libc::O_RDONLY),
        denied_open("F05", &world.models, libc::O_RDONLY | libc::O_DIRECTORY),
        killed("F05", "getdents64", libc::SYS_getdents64, vec![prior(), bytes(512), num(512)])
            .after(libc::SYS_openat, open_at(&world.models, libc::O_RDONLY | libc::O_DIRECTORY)),
    ]
}

/// The worker's user could not read it anyway: while loading, a denial says nothing here.
fn shadow() -> Attack {
    denied_open("F01", "/etc/shadow", libc::O_RDONLY).reaching(Errno::EACCES).at_serve()
}

fn writing(world: &World) -> Vec<Attack> {
    let (model, canary) = (&world.model, &world.canary);
    let truncating = libc::O_WRONLY | libc::O_TRUNC;
    let create = libc::O_CREAT | libc::O_WRONLY;
    vec![
        denied_write("F03", model, libc::O_RDWR),
        denied_write("F03", "/proc/self/fd/8", libc::O_RDWR),
        // No right of the domain is about a pipe: only the filter answers.
        denied_write("F03", "/proc/self/fd/2", libc::O_RDWR),
        denied_write("F03", "/proc/self/fd/2", libc::O_WRONLY),
        files("F04", "truncate own model", libc::SYS_truncate, vec![text(model), num(1)]),
        files("F04", "open own model O_TRUNC", libc::SYS_openat, open_at(model, truncating)),
        files("F04", "truncate a file", libc::SYS_truncate, vec![text(canary), num(1)]),
        files("F04", "open a file O_TRUNC", libc::SYS_openat, open_at(canary, truncating)),
        // No right of the domain is about it: only the filter answers.
        denied_write("F06", model, libc::O_CREAT),
        denied_write("F06", &world.path("target/new"), create).harming(Harm::Files),
        files("F06", "creat", libc::SYS_creat, vec![text(&world.path("target/new")), num(0o600)]),
        denied_write("F07", &world.path("target/temp"), create).harming(Harm::Files),
        killed("F07", "pwrite", libc::SYS_pwrite64, vec![num(2), text("x"), num(1), num(0)])
            .reaching(Errno::ESPIPE),
        killed("F07", "write to another descriptor", libc::SYS_write, {
            vec![num(1), text("x"), num(1)]
        }),
        killed("D01", "duplicate a descriptor", libc::SYS_fcntl, vec![num(2), num(0), num(20)]),
        files("F07", "pwrite to a file", libc::SYS_pwrite64, {
            vec![prior(), text("x"), num(1), num(0)]
        })
        .after(libc::SYS_openat, open_at(canary, libc::O_RDWR)),
    ]
}

/// F08: the file of another worker. To open it for writing is answered as the file system would;
/// everything else that would change it kills.
fn theirs(world: &World) -> Vec<Attack> {
    let (file, beside) = (world.path("root/temp/other-worker"), world.path("target/mine"));
    let write = unsigned(libc::O_WRONLY | libc::O_TRUNC);
    vec![
        denied_write("F08", &file, libc::O_WRONLY),
        files("F08", "truncate", libc::SYS_truncate, vec![text(&file), num(0)]),
        files("F08", "open(2) to write", libc::SYS_open, vec![text(&file), num(write), num(0)]),
        files("F08", "link it away", libc::SYS_link, vec![text(&file), text(&beside)]),
    ]
}

fn others(world: &World) -> Vec<Attack> {
    let of = |pid: u32, name: &str| format!("/proc/{pid}/{name}");
    let target = world.target();
    let mut attacks = vec![
        denied_write("F14", "/proc/self/mem", libc::O_RDWR),
        denied_open("F14", "/proc/self/mem", libc::O_RDONLY),
        denied_open("F14", "/proc/self/maps", libc::O_RDONLY),
        denied_open("F15", &of(std::process::id(), "status"), libc::O_RDONLY),
        denied_open("F15", &of(std::process::id(), "cmdline"), libc::O_RDONLY),
    ];
    // Of a process of the same user all of these open, which is what a sibling would be.
    let files = ["environ", "mem", "maps"].map(|name| (name, libc::O_RDONLY));
    let directories = ["fd", "root"].map(|name| (name, libc::O_RDONLY | libc::O_DIRECTORY));
    let opened = files.into_iter().chain(directories);
    attacks.extend(opened.map(|(name, flags)| {
        let mut attack = denied_open("F15", &of(target, name), flags);
        attack.what = format!("open /proc/<of the same user>/{name}");
        attack
    }));
    attacks
}

fn files(row: &'static str, what: &str, number: i64, arguments: Vec<Arg>) -> Attack {
    killed(row, what, number, arguments).harming(Harm::Files)
}

fn prior() -> Arg {
    Arg::Prior
}
