//! What can be seen at READY, when the worker is not dumpable any more.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::Expect;
use super::proc::{self, Status};
use crate::limits::WORKER_LIMITS;
use crate::report::{Achieved, How, Name, Row, layer};

const HOW: How = How::OutsideAtReady;

/// Looks at a worker that says it is ready: every thread's filters, privileges and capabilities,
/// the limits, and that its memory is closed to its own user.
///
/// The caller must hold the process, as for [`super::at_locked`]; it may call this again at any
/// time, for the periodic check.
pub fn at_ready(pid: i32, expect: &Expect) -> Vec<Row> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let mut rows = vec![dumpable(&process)];
    rows.extend(limits(&process, expect, HOW));
    match proc::tasks(&process) {
        Ok(tasks) if !tasks.is_empty() => rows.extend(threads(&tasks, expect)),
        _ => rows.extend(unreadable()),
    }
    rows
}

/// A layer that every thread must have: its name and how a thread's status shows it.
type Check<'a> = (Name, Box<dyn Fn(&Status) -> bool + 'a>);

fn threads(tasks: &[Status], expect: &Expect) -> Vec<Row> {
    let filters = expect.filters();
    let filtered = move |task: &Status| {
        task.seccomp == Some(2) && task.filters == Some(filters) // guard
    };
    let checks: [Check<'_>; 6] = [
        (layer::SECCOMP_LOAD, Box::new(filtered)),
        (layer::SECCOMP_SERVE, Box::new(filtered)),
        (layer::SECCOMP_ALL_THREADS, Box::new(filtered)),
        (layer::NO_NEW_PRIVS, Box::new(|task| task.no_new_privs == Some(1))),
        (layer::CAPS_EFFECTIVE, Box::new(Status::caps_empty)),
        (layer::CAPS_BOUNDING, Box::new(|task| task.cap_bounding == Some(0))),
    ];
    let rows = checks.iter().map(|(name, holds)| {
        let good = tasks.iter().filter(|task| holds(task)).count();
        let value = format!("{good} of {} threads", tasks.len());
        Row::met(*name, HOW, Achieved::from(good == tasks.len()), value)
    });
    rows.collect()
}

fn unreadable() -> Vec<Row> {
    let names = [
        layer::SECCOMP_LOAD,
        layer::SECCOMP_SERVE,
        layer::SECCOMP_ALL_THREADS,
        layer::NO_NEW_PRIVS,
        layer::CAPS_EFFECTIVE,
    ];
    names.map(|name| Row::no(name, HOW, "status unreadable")).to_vec()
}

/// The kernel gives the files of a process that is not dumpable to root, and closes its descriptors
/// to its own user. To root they are open whatever it is, so that nothing can be told then.
fn dumpable(process: &Path) -> Row {
    let Ok(meta) = fs::metadata(process.join("status")) else {
        return Row::no(layer::DUMPABLE, HOW, "unreadable");
    };
    if geteuid().is_root() {
        return Row::partial(layer::DUMPABLE, HOW, "root sees every process");
    }
    let closed = fs::read_dir(process.join("fd")).is_err();
    let hidden = root_here().is_some_and(|root| root == meta.uid());
    match (hidden, closed) {
        (true, true) => Row::yes(layer::DUMPABLE, HOW, "root's files, descriptors closed"), // guard
        (false, true) => Row::partial(layer::DUMPABLE, HOW, "descriptors closed"),
        (_, false) => Row::no(layer::DUMPABLE, HOW, "descriptors readable"),
    }
}

/// The uid by which this process sees root's files: in a user namespace that has no root it is the
/// kernel's number for nobody. `None` where that number is this process's own, because then a file
/// of its user and one of root look the same.
fn root_here() -> Option<u32> {
    let map = proc::text(Path::new("/proc/self/uid_map")).ok()?;
    let nobody = proc::text(Path::new("/proc/sys/kernel/overflowuid")).ok();
    root_seen_as(&map, nobody.as_deref(), geteuid().as_raw())
}

/// [`root_here`] for a map and a number of nobody as /proc has them.
pub(super) fn root_seen_as(map: &str, nobody: Option<&str>, own: u32) -> Option<u32> {
    let has_root = map.lines().any(|line| line.split_whitespace().next() == Some("0"));
    match has_root {
        true => Some(0),
        false => nobody?.trim().parse().ok().filter(|nobody| *nobody != own),
    }
}

/// Every limit as listed, soft equal to hard.
pub(super) fn limits(process: &Path, expect: &Expect, how: How) -> Vec<Row> {
    let Ok(text) = proc::text(&process.join("limits")) else {
        return vec![Row::no(layer::RLIMITS, how, "unreadable")];
    };
    let data = expect.data_max.map(|bytes| ("Max data size", bytes));
    let wanted = WORKER_LIMITS
        .iter()
        .map(|limit| (limit.proc_name, limit.under(expect.profile)))
        .chain(data);
    for (name, at_most) in wanted {
        let held = match proc::limit(&text, name) {
            Some((Some(soft), Some(hard))) => soft == hard && soft <= at_most, // guard
            _ => false,
        };
        if !held {
            return vec![Row::no(layer::RLIMITS, how, name)];
        }
    }
    vec![Row::yes(layer::RLIMITS, how, "as listed, soft = hard")]
}
