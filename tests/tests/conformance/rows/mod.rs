//! The attacks, by row of the conformance table.

mod administration;
mod execution;
mod files;
mod identity;
mod memory;
mod names;
mod processes;
mod sockets;

use core_tests::trace::Arg;
use nix::{errno::Errno, libc};

use crate::{
    attack::{Attack, Expect, Works},
    world::{Harm, World},
};

/// All attacks of this suite.
pub(crate) fn all(world: &World) -> Vec<Attack> {
    [
        files::all(world),
        names::all(world),
        execution::all(world),
        sockets::all(world),
        processes::all(world),
        identity::all(world),
        administration::all(),
        memory::all(),
    ]
    .concat()
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

    /// The call may end the process by other means than a filter.
    fn unfiltered(mut self) -> Self {
        self.control = Works::Unfiltered;
        self
    }

    /// What is seen from outside once it worked.
    fn harming(mut self, harm: Harm) -> Self {
        self.harm = harm;
        self
    }

    /// A call whose answer the control passes on as `Arg::Prior`.
    fn after(mut self, number: i64, arguments: Vec<Arg>) -> Self {
        self.first = Some((number, arguments));
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

/// What kills at both stages, and works without any layer.
fn killed(row: &'static str, what: &str, number: i64, arguments: Vec<Arg>) -> Attack {
    let (load, serve, control) = (Some(Expect::Kill), Expect::Kill, Works::Succeeds);
    let (what, first, harm) = (what.into(), None, Harm::Unseen);
    Attack { row, what, number, arguments, first, load, serve, control, harm }
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

fn bytes(length: usize) -> Arg {
    Arg::Bytes(vec![0; length])
}

fn unsigned(value: i32) -> u64 {
    u64::from(value.cast_unsigned())
}

fn zeros() -> Vec<Arg> {
    vec![num(0); 6]
}
