//! The rules that a policy must keep before it is compiled. A mistake here is a hole there, so each
//! one ends the build with a sentence that names the file and the rule.

use std::collections::BTreeSet;

use crate::names;
use crate::schema::{Condition, Default, Op, PID, Policy, Rule, Width};

/// Most calls that a serving worker may have (mission.md, "Numbers").
pub(crate) const SERVE_MAX: usize = 20;
/// Most calls that a loading worker may have (mission.md, "Numbers").
pub(crate) const LOAD_MAX: usize = 42;
/// Most calls that a serving worker may have under the GPU profile: those of the CPU profile, and
/// the four by which a driver is driven, waited for and signalled (ADR 9).
pub(crate) const SERVE_GPU_MAX: usize = 24;
/// Most calls that a loading worker may have under the GPU profile: the CPU profile's bound and
/// two.
pub(crate) const LOAD_GPU_MAX: usize = 44;
/// A reason shorter than this says nothing; the shortest honest one in use has 20 characters.
pub(crate) const REASON_LEN_MIN: usize = 15;
/// seccomp_data holds six arguments.
const ARGS_MAX: u8 = 6;

/// Everything that can be said about one policy alone.
pub(crate) fn policy(policy: &Policy) -> Result<(), String> {
    let named = |what: String| format!("policy/seccomp/{}.json: {what}", policy.profile);
    if policy.about.len() < REASON_LEN_MIN {
        return Err(named("`about` says nothing".into()));
    }
    rules(&policy.allow).map_err(named)?;
    for answer in &policy.errno {
        if names::value(&answer.answer).is_none() {
            return Err(named(format!("unknown errno {}", answer.answer)));
        }
        rules(&answer.rules).map_err(named)?;
        listed(answer.rules.as_slice(), &policy.allow).map_err(named)?;
    }
    Ok(())
}

/// Counts distinct calls and compares with the limit of the profile.
pub(crate) fn count(policy: &Policy, max: usize) -> Result<(), String> {
    let count = syscalls(policy).len();
    if count > max {
        return Err(format!("{} lists {count} system calls, the limit is {max}", policy.profile));
    }
    Ok(())
}

/// A worker's profile kills; anything softer would let an attack probe.
pub(crate) fn kills(policy: &Policy) -> Result<(), String> {
    if policy.default == Default::KillProcess {
        return Ok(());
    }
    Err(format!("{}: the default of a worker's profile must be kill_process", policy.profile))
}

/// `outer` must list whatever `inner` lists, because filters intersect.
pub(crate) fn contains(outer: &Policy, inner: &Policy) -> Result<(), String> {
    let missing: Vec<_> = syscalls(inner).difference(&syscalls(outer)).cloned().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(", ");
    Err(format!("{} lacks {missing}, which {} needs", outer.profile, inner.profile))
}

/// The distinct calls of a profile.
pub(crate) fn syscalls(policy: &Policy) -> BTreeSet<String> {
    policy.allow.iter().map(|rule| rule.syscall.clone()).collect()
}

fn listed(answers: &[Rule], allow: &[Rule]) -> Result<(), String> {
    let is_listed = |rule: &&Rule| allow.iter().any(|other| other.syscall == rule.syscall);
    match answers.iter().find(|rule| !is_listed(rule)) {
        None => Ok(()),
        Some(rule) => Err(format!(
            "{} gets an errno but is not in `allow`, so the default would win over the errno",
            rule.syscall
        )),
    }
}

fn rules(rules: &[Rule]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for rule in rules {
        one(rule).map_err(|what| format!("{}: {what}", rule.syscall))?;
        if !seen.insert(&rule.syscall) {
            return Err(format!("{}: listed twice", rule.syscall));
        }
    }
    Ok(())
}

fn one(rule: &Rule) -> Result<(), String> {
    if names::syscall(&rule.syscall).is_none() {
        return Err("no such system call".into());
    }
    if rule.reason.trim().len() < REASON_LEN_MIN {
        return Err("no reason is given".into());
    }
    let Some(alternatives) = &rule.args else {
        return Ok(());
    };
    if alternatives.is_empty() || alternatives.iter().any(Vec::is_empty) {
        return Err("an empty condition list would match every argument".into());
    }
    alternatives.iter().flatten().try_for_each(condition)
}

fn condition(condition: &Condition) -> Result<(), String> {
    if condition.arg >= ARGS_MAX {
        return Err(format!("argument {} does not exist", condition.arg));
    }
    if condition.ignoring.is_some() && condition.op != Op::Eq {
        return Err("`ignoring` belongs to `eq` alone".into());
    }
    if condition.value == PID {
        return pid(condition);
    }
    let ignoring = condition.ignoring.as_deref().unwrap_or("0");
    for expression in [condition.value.as_str(), ignoring] {
        let value = names::value(expression).ok_or(format!("unknown value {expression}"))?;
        if condition.width == Width::Int && value > u64::from(u32::MAX) {
            return Err(format!("{expression} does not fit an int"));
        }
    }
    Ok(())
}

fn pid(condition: &Condition) -> Result<(), String> {
    let plain = condition.op == Op::Eq && condition.ignoring.is_none();
    if plain && condition.width == Width::Int {
        return Ok(());
    }
    Err("@pid is an int and can only be compared with eq".into())
}
