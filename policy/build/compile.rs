//! From a checked policy to BPF, by seccompiler.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::names;
use crate::schema::{Condition, Default, Op, PID, Policy, Rule, Width};

/// Stands in a program for the pid of the process that will install it. No constant of any policy
/// and no pid (at most 2^22) has this value; the build counts its occurrences.
pub(crate) const PID_SLOT: u32 = 0x7fff_c0de;

/// One filter of a profile.
pub(crate) struct Layer {
    /// The errno that a match gets, or nothing when a match is allowed.
    pub(crate) errno: Option<u32>,
    /// The program.
    pub(crate) program: BpfProgram,
    /// How many comparisons wait for the pid.
    pub(crate) pid_slots: usize,
}

/// A profile with the rules of the one that it includes, alternatives united.
pub(crate) fn merge(policy: &Policy, included: &Policy) -> Policy {
    let mut merged = policy.clone();
    for rule in &included.allow {
        match merged.allow.iter_mut().find(|own| own.syscall == rule.syscall) {
            Some(own) => widen(own, rule),
            None => merged.allow.push(rule.clone()),
        }
    }
    merged
}

fn widen(own: &mut Rule, other: &Rule) {
    own.args = match (own.args.take(), &other.args) {
        (Some(mut own), Some(other)) => {
            own.extend(other.iter().cloned());
            Some(own)
        }
        _ => None,
    };
}

/// Compiles every filter of a profile: the errno answers first, the allow list last.
pub(crate) fn layers(policy: &Policy) -> Result<Vec<Layer>, String> {
    let mut layers = Vec::new();
    for answer in &policy.errno {
        let errno = errno(&answer.answer)?;
        let action = SeccompAction::Errno(errno);
        layers.push(layer(&answer.rules, SeccompAction::Allow, action, Some(errno))?);
    }
    let default = match policy.default {
        Default::KillProcess => SeccompAction::KillProcess,
        Default::ErrnoEperm => SeccompAction::Errno(errno("EPERM")?),
    };
    layers.push(layer(&policy.allow, default, SeccompAction::Allow, None)?);
    Ok(layers)
}

fn errno(name: &str) -> Result<u32, String> {
    let value = names::value(name).ok_or(format!("unknown errno {name}"))?;
    u32::try_from(value).map_err(|_| format!("{name} is no errno"))
}

fn layer(
    rules: &[Rule],
    mismatch: SeccompAction,
    matched: SeccompAction,
    errno: Option<u32>,
) -> Result<Layer, String> {
    let mut map = BTreeMap::new();
    for rule in rules {
        let number = names::syscall(&rule.syscall).ok_or("unknown system call")?;
        map.insert(number, alternatives(rule)?);
    }
    let filter = SeccompFilter::new(map, mismatch, matched, TargetArch::x86_64).map_err(text)?;
    let program = BpfProgram::try_from(filter).map_err(text)?;
    let pid_slots = program.iter().filter(|insn| insn.k == PID_SLOT).count();
    let wanted = rules.iter().flat_map(|rule| &rule.args).flatten().flatten();
    let wanted = wanted.filter(|condition| condition.value == PID).count();
    if pid_slots != wanted {
        return Err(format!("{pid_slots} pid slots compiled, {wanted} wanted"));
    }
    Ok(Layer { errno, program, pid_slots })
}

fn alternatives(rule: &Rule) -> Result<Vec<SeccompRule>, String> {
    let all = rule.args.iter().flatten();
    all.map(|conditions| {
        let conditions: Result<Vec<_>, _> = conditions.iter().map(condition).collect();
        SeccompRule::new(conditions?).map_err(text)
    })
    .collect()
}

fn condition(condition: &Condition) -> Result<SeccompCondition, String> {
    let value = match condition.value.as_str() {
        PID => u64::from(PID_SLOT),
        other => names::value(other).ok_or(format!("unknown value {other}"))?,
    };
    let ignoring = condition.ignoring.as_deref().unwrap_or("0");
    let ignoring = names::value(ignoring).ok_or(format!("unknown value {ignoring}"))?;
    let (op, value) = match condition.op {
        Op::Eq if ignoring == 0 => (SeccompCmpOp::Eq, value),
        Op::Eq => (SeccompCmpOp::MaskedEq(!ignoring), value),
        Op::SubsetOf => (SeccompCmpOp::MaskedEq(!value), 0),
        Op::NoneOf => (SeccompCmpOp::MaskedEq(value), 0),
        Op::AllOf => (SeccompCmpOp::MaskedEq(value), value),
        Op::AtMost => (SeccompCmpOp::Le, value),
    };
    let width = match condition.width {
        Width::Int => SeccompCmpArgLen::Dword,
        Width::Long => SeccompCmpArgLen::Qword,
    };
    SeccompCondition::new(condition.arg, width, op, value).map_err(text)
}

fn text(error: seccompiler::BackendError) -> String {
    error.to_string()
}
