//! The attacks, by row of the conformance table.

mod files;
mod others;
mod processes;
mod sockets;

use core_tests::trace::Arg;
use nix::{errno::Errno, libc};

use crate::{
    attack::{Attack, Expect, Works},
    world::World,
};

/// All attacks of this suite.
pub(crate) fn all(world: &World) -> Vec<Attack> {
    [files::all(world), sockets::all(world), processes::all(world), others::all()].concat()
}

impl Attack {
    /// The control shows with this error that the kernel got to look at the arguments.
    fn reaching(mut self, errno: Errno) -> Self {
        self.control = Works::Reaches(errno);
        self
    }

    /// The kernel may lack it or refuse its arguments: the control only shows that nothing kills.
    fn anyhow(mut self) -> Self {
        self.control = Works::Lives;
        self
    }

    fn at_load(mut self, expect: Expect) -> Self {
        self.load = Some(expect);
        self
    }

    fn at_serve(mut self) -> Self {
        self.load = None;
        self
    }
}

/// What kills at both stages, and works once both seccomp and Landlock are gone.
fn killed(row: &'static str, what: &str, number: i64, arguments: Vec<Arg>) -> Attack {
    let (load, serve, control) = (Some(Expect::Kill), Expect::Kill, Works::Succeeds);
    Attack { row, what: what.into(), number, arguments, load, serve, control }
}

/// An open that Landlock refuses while loading and that kills once nothing is opened any more.
fn denied_open(row: &'static str, path: &str, flags: i32) -> Attack {
    let arguments = open_at(path, flags);
    let attack = killed(row, &format!("open {path}"), libc::SYS_openat, arguments);
    attack.at_load(Expect::Fails(Errno::EACCES))
}

/// As [`denied_open`], for writing: the LOAD filter answers what Landlock would.
fn denied_write(row: &'static str, path: &str, flags: i32) -> Attack {
    let mut attack = denied_open(row, path, flags);
    attack.what = format!("open {path} to write");
    attack
}

fn open_at(path: &str, flags: i32) -> Vec<Arg> {
    vec![num(at_fdcwd()), text(path), num(unsigned(flags)), num(0o600)]
}

fn at_fdcwd() -> u64 {
    i64::from(libc::AT_FDCWD).cast_unsigned()
}

fn num(value: u64) -> Arg {
    Arg::Num(value)
}

fn text(value: &str) -> Arg {
    Arg::Text(value.into())
}

fn unsigned(value: i32) -> u64 {
    u64::from(value.cast_unsigned())
}
