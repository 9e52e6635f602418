//! What can be seen at LOCKED, while the worker is still dumpable.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use nix::fcntl::readlink;

use super::Expect;
use super::proc::{self, Status};
use super::ready::limits;
use crate::fds::{self, Kind, kind_of};
use crate::profile::{DRIVER_DESCRIPTORS_MAX, Profile};
use crate::report::{Achieved, How, Name, Row, layer};

const HOW: How = How::OutsideAtLocked;

/// Most descriptors that are listed of a worker's table; its limit is below
/// ([`crate::limits::NOFILE`]).
const TABLE_MAX: usize = 1024;

/// The namespaces and the names of their files in /proc/PID/ns.
const NAMESPACES: [(&str, Name); 5] = [
    ("user", layer::NS_USER),
    ("net", layer::NS_NET),
    ("ipc", layer::NS_IPC),
    ("uts", layer::NS_UTS),
    ("cgroup", layer::NS_CGROUP),
];

/// Looks at a worker that says it is locked: descriptors, namespaces, limits, threads.
///
/// The caller must hold the process (by a pidfd, or as its parent without having waited), so that
/// the pid still means it.
pub fn at_locked(pid: i32, expect: &Expect) -> Vec<Row> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let mut rows = vec![table(&process, expect), single(&process)];
    rows.extend(NAMESPACES.map(|(file, name)| namespace(&process, file, name)));
    rows.extend(limits(&process, expect, HOW));
    rows.extend(attributes(&process));
    rows
}

pub(super) fn table(process: &Path, expect: &Expect) -> Row {
    let expected = expect.table();
    let open = match descriptors(process) {
        Ok(open) => open,
        Err(error) => return Row::no(layer::FD_TABLE, HOW, error.kind().to_string()),
    };
    let planned: BTreeSet<RawFd> = expected.iter().map(|(fd, _)| *fd).collect();
    let links = process.join("fd");
    let surplus: Vec<RawFd> = open.difference(&planned).copied().collect();
    if !planned.is_subset(&open) || !may_hold(&links, &surplus, expect.profile) {
        // guard
        let value = format!("{} descriptors, {} planned, not the same", open.len(), planned.len());
        return Row::no(layer::FD_TABLE, HOW, value);
    }
    let wrong = expected.iter().find(|(fd, kind)| kind_of(&links, *fd) != Ok(*kind));
    if let Some((fd, kind)) = wrong {
        // guard
        return Row::no(layer::FD_TABLE, HOW, format!("descriptor {fd} is no {kind:?}"));
    }
    if !is_nonblocking(process, fds::LOG) {
        // guard
        return Row::no(layer::FD_TABLE, HOW, "the log pipe blocks");
    }
    Row::yes(layer::FD_TABLE, HOW, held(planned.len(), surplus.len()))
}

fn held(planned: usize, of_driver: usize) -> String {
    match of_driver {
        0 => format!("exactly {planned} descriptors"),
        more => format!("{planned} descriptors and {more} of a driver"),
    }
}

/// Whether descriptors beside the table are a driver's: none under the CPU profile; under the GPU
/// profile the named device nodes, and what a driver makes for itself.
pub(super) fn may_hold(links: &Path, surplus: &[RawFd], profile: Profile) -> bool {
    match profile {
        Profile::Cpu => surplus.is_empty(),
        Profile::Gpu => {
            let nodes = profile.nodes();
            surplus.len() <= DRIVER_DESCRIPTORS_MAX
                && surplus.iter().all(|fd| is_of_driver(links, *fd, &nodes))
        }
    }
}

fn is_of_driver(links: &Path, fd: RawFd, nodes: &[PathBuf]) -> bool {
    let link = links.join(fd.to_string());
    let is_device = || fs::metadata(&link).is_ok_and(|meta| meta.file_type().is_char_device());
    match kind_of(links, fd) {
        Ok(Kind::Event | Kind::Pipe | Kind::Memory) => true,
        Ok(Kind::Other) => {
            readlink(&link).is_ok_and(|target| nodes.contains(&target.into())) && is_device()
        }
        Ok(Kind::Null | Kind::File) | Err(_) => false,
    }
}

fn descriptors(process: &Path) -> io::Result<BTreeSet<RawFd>> {
    let mut open = BTreeSet::new();
    for entry in fs::read_dir(process.join("fd"))?.take(TABLE_MAX) {
        open.extend(entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    Ok(open)
}

/// A worker whose log pipe blocked would hang on a full one; the flag is in fdinfo, in octal.
fn is_nonblocking(process: &Path, fd: RawFd) -> bool {
    let Ok(text) = proc::text(&process.join("fdinfo").join(fd.to_string())) else {
        return false;
    };
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & libc::O_NONBLOCK != 0)
}

pub(super) fn single(process: &Path) -> Row {
    match proc::tasks(process) {
        Ok(tasks) if tasks.len() == 1 => Row::yes(layer::SINGLE_THREAD, HOW, "1 thread"), // guard
        Ok(tasks) => Row::no(layer::SINGLE_THREAD, HOW, format!("{} threads", tasks.len())),
        Err(error) => Row::no(layer::SINGLE_THREAD, HOW, error.kind().to_string()),
    }
}

fn namespace(process: &Path, file: &str, name: Name) -> Row {
    let theirs = readlink(&process.join("ns").join(file));
    let ours = readlink(&Path::new("/proc/self/ns").join(file));
    match (theirs, ours) {
        (Ok(theirs), Ok(ours)) => differs(name, &theirs, &ours),
        (Err(errno), _) | (_, Err(errno)) => Row::no(name, HOW, format!("{errno:?}")),
    }
}

fn differs(name: Name, theirs: &OsString, ours: &OsString) -> Row {
    match theirs == ours {
        // guard
        true => Row::no(name, HOW, "shared with the broker"),
        false => Row::yes(name, HOW, "own"),
    }
}

/// What is in the status file and does not change between LOCKED and READY.
fn attributes(process: &Path) -> Vec<Row> {
    let Ok(status) = Status::read(&process.join("status")) else {
        return vec![Row::no(layer::NO_NEW_PRIVS, HOW, "unreadable")];
    };
    let held = |holds: bool| Achieved::from(holds);
    let bounding = status.cap_bounding == Some(0);
    vec![
        Row::met(layer::NO_NEW_PRIVS, HOW, held(status.no_new_privs == Some(1)), "1 thread"),
        Row::met(layer::CAPS_EFFECTIVE, HOW, held(status.caps_empty()), "4 sets"),
        Row::met(layer::CAPS_BOUNDING, HOW, held(bounding), "1 thread"),
    ]
}
