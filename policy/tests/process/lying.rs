//! Kernels that say yes and do nothing, played by a filter: each step is looked at afterwards, and
//! what did not happen is an error.

use std::path::Path;

use core_policy::landlock::{self, CanaryPaths, DomainError, WorkerCanaries};
use core_policy::profile::Profile;
use core_policy::root::{self, GiveUpError};
use core_policy::{apply, caps};
use nix::unistd::{Gid, setgroups};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::absent::answer;
use crate::domain::Root;
use crate::outcome::{Case, Outcome};
use crate::user::stranger;

/// An answer of success.
const YES: i32 = 0;
/// `PR_GET_NO_NEW_PRIVS` that answers 0: it is not set.
const NOT_SET: i32 = 0;

pub(crate) fn cases() -> Vec<Case> {
    let cases = [
        ("setgroups", (|| left(libc::SYS_setgroups, "group is left")) as fn() -> Outcome),
        ("setresuid", || left(libc::SYS_setresuid, "a uid")),
        ("setresgid", || left(libc::SYS_setresgid, "a gid")),
        ("setuid", || left(libc::SYS_setuid, "setuid(0)")),
        ("setgid", || left(libc::SYS_setgid, "setgid(0)")),
        ("bounding", bounding_set_is_left),
        ("securebits", securebits_are_required),
        ("capset", capabilities_are_left),
        ("no-new-privs", privileges_may_be_gained),
        ("dumpable", process_is_dumpable),
        ("broker-domain", broker_has_no_domain),
        ("canaries", no_canary_ever_opened),
    ];
    let case = |(name, act): (&str, fn() -> Outcome)| {
        Case::new(format!("lying.{name}"), Outcome::Success, None, move |_| act())
    };
    cases.into_iter().map(case).collect()
}

/// One call of giving root up does nothing: the end says what is left.
fn left(call: i64, what: &str) -> Outcome {
    setgroups(&[Gid::from_raw(stranger().gid() + 1)]).unwrap();
    answer(&[call], YES);
    is_left(what)
}

fn is_left(what: &str) -> Outcome {
    let gave_up = root::give_up(stranger());
    let named = matches!(&gave_up, Err(GiveUpError::Left(left)) if left.contains(what));
    Outcome::holds(named, &format!("{what} is left, and it says {gave_up:?}"))
}

/// Answers one option of prctl(2).
fn answer_option(option: i32, errno: i32) {
    let is_option = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Eq,
        u64::from(option.unsigned_abs()),
    );
    let rule = SeccompRule::new(vec![is_option.unwrap()]).unwrap();
    let rules = [(libc::SYS_prctl, vec![rule])].into();
    let answered = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, answered, TargetArch::x86_64);
    let program = BpfProgram::try_from(filter.unwrap()).unwrap();
    seccompiler::apply_filter(&program).unwrap();
}

fn bounding_set_is_left() -> Outcome {
    answer_option(libc::PR_CAPBSET_DROP, YES);
    is_left("a capability")
}

fn securebits_are_required() -> Outcome {
    answer_option(libc::PR_SET_SECUREBITS, libc::EPERM);
    let gave_up = root::give_up(stranger());
    let named = matches!(&gave_up, Err(GiveUpError::Step { step: "securebits", .. }));
    Outcome::holds(named, &format!("it says {gave_up:?}"))
}

fn capabilities_are_left() -> Outcome {
    answer(&[libc::SYS_capset], YES);
    Outcome::holds(caps::drop_all().is_err(), "a set that is not empty is an error")
}

fn privileges_may_be_gained() -> Outcome {
    answer_option(libc::PR_GET_NO_NEW_PRIVS, NOT_SET);
    Outcome::holds(apply::no_new_privs().is_err(), "a kernel that forgets it is an error")
}

fn process_is_dumpable() -> Outcome {
    answer_option(libc::PR_SET_DUMPABLE, YES);
    Outcome::holds(apply::hide().is_err(), "a process that is dumpable still is an error")
}

fn broker_has_no_domain() -> Outcome {
    answer(&[libc::SYS_landlock_restrict_self], YES);
    let root = Root::new();
    let entered = landlock::restrict_broker(&root.domain(Path::new("/bin/true")));
    let noticed = matches!(entered, Err(DomainError::Canary(_)));
    Outcome::holds(noticed, &format!("a domain that is none: {entered:?}"))
}

/// What was closed before the domain too says nothing about the domain.
fn no_canary_ever_opened() -> Outcome {
    landlock::confine_worker(&[], Profile::Cpu).unwrap();
    let canaries = WorkerCanaries::arm(CanaryPaths { libraries: Path::new("/usr/lib") }, None);
    Outcome::holds(canaries.check().is_err(), "canaries that never opened are no proof")
}
