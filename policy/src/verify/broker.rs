//! The broker looks at itself after its own lockdown.

use std::path::Path;

use nix::sys::prctl;

use super::proc::{self, Status};
use crate::report::{Achieved, How, Row, layer};
use crate::seccomp::{self, Stage};

/// What the kernel says about this process, to be merged with the rows of [`crate::root::give_up`]
/// and [`crate::landlock::restrict_broker`].
pub fn self_broker() -> Vec<Row> {
    let how = How::OwnWord;
    let Ok(tasks) = proc::tasks(Path::new("/proc/self")) else {
        return vec![Row::no(layer::SECCOMP_BROKER, how, "/proc is unreadable")];
    };
    let every = |name, holds: &dyn Fn(&Status) -> bool| {
        let good = tasks.iter().filter(|task| holds(task)).count();
        let value = format!("{good} of {} threads", tasks.len());
        Row::met(name, how, Achieved::from(good == tasks.len()), value)
    };
    let filters = u32::try_from(seccomp::filters(Stage::Broker)).unwrap_or(u32::MAX);
    let filtered = move |task: &Status| {
        task.seccomp == Some(2) && task.filters.is_some_and(|found| found >= filters)
    };
    let not_root = |task: &Status| !task.uids.is_empty() && !task.uids.contains(&0);
    let hidden = Achieved::from(prctl::get_dumpable() == Ok(false));
    vec![
        every(layer::SECCOMP_BROKER, &filtered),
        every(layer::NO_NEW_PRIVS, &|task| task.no_new_privs == Some(1)),
        every(layer::CAPS_EFFECTIVE, &Status::caps_empty),
        every(layer::CAPS_BOUNDING, &|task| task.cap_bounding == Some(0)),
        every(layer::NOT_ROOT, &not_root),
        Row::met(layer::DUMPABLE, how, hidden, "0"),
    ]
}
