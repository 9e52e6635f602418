//! Kernels that lack a layer, played by a filter that answers for it (row L06): a required layer
//! must be an error, a wanted one a row that `degraded` names, exactly.

use core_policy::landlock::{self, DomainError};
use core_policy::profile::Profile;
use core_policy::report::Report;
use core_policy::{apply, probe};
use nix::unistd::getppid;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

use crate::outcome::{Case, Outcome};
use crate::user::stranger;

pub(crate) fn cases() -> Vec<Case> {
    let cases = [
        ("no-landlock", no_landlock as fn() -> Outcome),
        ("no-namespaces", no_namespaces),
        ("no-no-new-privs", no_new_privs_is_required),
        ("probe", probe_knows),
    ];
    let case = |(name, act): (&str, fn() -> Outcome)| {
        Case::new(format!("absent.{name}"), Outcome::Success, None, move |_| act())
    };
    cases.into_iter().map(case).collect()
}

/// Answers some calls with an errno, as a kernel without them would.
pub(crate) fn answer(calls: &[i64], errno: i32) {
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let errno = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, errno, TargetArch::x86_64);
    let program = BpfProgram::try_from(filter.unwrap()).unwrap();
    seccompiler::apply_filter(&program).unwrap();
}

const LANDLOCK: [i64; 3] = [
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_restrict_self,
];

fn no_landlock() -> Outcome {
    answer(&LANDLOCK, libc::ENOSYS);
    let absent = matches!(landlock::confine_worker(&[], Profile::Cpu), Err(DomainError::Absent));
    let missing = names(probe::probe().missing_required());
    let good = absent && missing == ["landlock.filesystem"];
    Outcome::holds(good, &format!("Landlock is required, found {missing:?}"))
}

fn names(rows: Vec<&core_policy::report::Row>) -> Vec<&'static str> {
    rows.iter().map(|row| row.name).collect()
}

/// Without namespaces an unprivileged worker keeps its bounding set and has no limit on threads.
fn no_namespaces() -> Outcome {
    assert_eq!(crate::attack::call(libc::SYS_setuid, &[stranger().uid().into()]), 0);
    answer(&[libc::SYS_unshare], libc::EPERM);
    let mut report = Report::default();
    report.merge(apply::before_libraries(getppid().as_raw(), Profile::Cpu).unwrap());
    let degraded = report.degraded();
    let expected = [
        "ns.user",
        "ns.net",
        "ns.ipc",
        "ns.uts",
        "ns.cgroup",
        "caps.bounding",
        "rlimits.nproc",
        "oom-score",
    ];
    let good = degraded == expected && report.missing_required().is_empty();
    Outcome::holds(good, &format!("{degraded:?}"))
}

fn no_new_privs_is_required() -> Outcome {
    answer(&[libc::SYS_prctl], libc::EINVAL);
    Outcome::holds(apply::no_new_privs().is_err() && apply::hide().is_err(), "both are required")
}

/// This machine has all that is required, and the probe says so without changing anything.
fn probe_knows() -> Outcome {
    let before = core_policy::verify::Status::own().unwrap();
    let report = probe::probe();
    let after = core_policy::verify::Status::own().unwrap();
    let good = report.missing_required().is_empty() && before == after;
    Outcome::holds(good, &format!("{report:#?}"))
}
