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
    let every = |holds: &dyn Fn(&Status) -> bool| Achieved::from(tasks.iter().all(holds));
    let filters = u32::try_from(seccomp::filters(Stage::Broker)).unwrap_or(u32::MAX);
    let filtered = move |task: &Status| {
        task.seccomp == Some(2) && task.filters.is_some_and(|found| found >= filters)
    };
    let not_root = |task: &Status| !task.uids.is_empty() && !task.uids.contains(&0);
    let hidden = Achieved::from(prctl::get_dumpable() == Ok(false));
    let value = format!("{} threads", tasks.len());
    let value = value.as_str();
    vec![
        Row::met(layer::SECCOMP_BROKER, how, every(&filtered), value),
        Row::met(
            layer::NO_NEW_PRIVS,
            how,
            every(&|task| task.no_new_privs == Some(1)),
            value,
        ),
        Row::met(
            layer::CAPS_EFFECTIVE,
            how,
            every(&Status::caps_empty),
            value,
        ),
        Row::met(
            layer::CAPS_BOUNDING,
            how,
            every(&|task| task.cap_bounding == Some(0)),
            value,
        ),
        Row::met(layer::NOT_ROOT, how, every(&not_root), value),
        Row::met(layer::DUMPABLE, how, hidden, "0"),
    ]
}
