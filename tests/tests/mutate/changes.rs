//! Every change of a policy file that takes one thing away.

use crate::schema::{Condition, Default, Policy, Rule};

/// What was done to a file: the call, and where in its rule.
#[derive(Clone)]
pub(crate) enum Change {
    /// The rule for this call is gone.
    Deleted(String),
    /// One alternative of a rule is gone.
    Narrowed(String, String),
    /// Calls of this name, or of one alternative, get no errno any more.
    Answers(String, String),
    /// One condition of a rule is gone.
    Dropped(String, String),
}

impl Change {
    /// The mutant's name within its file.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Deleted(call) => format!("{call}: deleted"),
            Self::Narrowed(call, place) => format!("{call}: deleted {place}"),
            Self::Answers(call, place) => format!("{call}: no errno{place}"),
            Self::Dropped(call, place) => format!("{call}: any {place}"),
        }
    }
}

/// Every change of one file.
pub(crate) fn changes(policy: &Policy) -> Vec<(Change, Policy)> {
    let mut changes = Vec::new();
    for (index, rule) in policy.allow.iter().enumerate() {
        let call = &rule.syscall;
        let mut changed = strict(policy);
        changed.allow.remove(index);
        changes.push((Change::Deleted(call.clone()), changed));
        for (place, without) in narrowed(rule) {
            let mut changed = strict(policy);
            changed.allow[index] = without;
            changes.push((Change::Narrowed(call.clone(), place), changed));
        }
        for (place, without) in dropped(rule) {
            let mut changed = policy.clone();
            changed.allow[index] = without;
            changes.push((Change::Dropped(call.clone(), place), changed));
        }
    }
    changes.extend(answers(policy));
    changes
}

/// A policy under which nothing is refused unseen: libraries swallow an EPERM.
fn strict(policy: &Policy) -> Policy {
    Policy { default: Default::KillProcess, ..policy.clone() }
}

/// Every answer with an errno taken away, whole and in each alternative.
fn answers(policy: &Policy) -> Vec<(Change, Policy)> {
    let mut changes = Vec::new();
    for (answer, answers) in policy.errno.iter().enumerate() {
        for (index, rule) in answers.rules.iter().enumerate() {
            let mut changed = policy.clone();
            changed.errno[answer].rules.remove(index);
            changes.push((Change::Answers(rule.syscall.clone(), String::new()), changed));
            for (place, without) in narrowed(rule) {
                let mut changed = policy.clone();
                changed.errno[answer].rules[index] = without;
                let place = format!(" for {place}");
                changes.push((Change::Answers(rule.syscall.clone(), place), changed));
            }
        }
    }
    changes
}

/// A rule without one of its alternatives; the only one is the rule itself.
fn narrowed(rule: &Rule) -> Vec<(String, Rule)> {
    let alternatives = rule.args.as_deref().unwrap_or_default();
    if alternatives.len() < 2 {
        return Vec::new();
    }
    let all = alternatives.iter().enumerate().map(|(index, conditions)| {
        let mut without = rule.clone();
        if let Some(list) = &mut without.args {
            list.remove(index);
        }
        let values: Vec<_> = conditions.iter().map(value).collect();
        (values.join(" "), without)
    });
    all.collect()
}

fn value(condition: &Condition) -> &str {
    &condition.value
}

/// A rule without one of its conditions; without its last one it holds for any arguments.
fn dropped(rule: &Rule) -> Vec<(String, Rule)> {
    let mut all = Vec::new();
    let alternatives = rule.args.as_deref().unwrap_or_default();
    for (index, conditions) in alternatives.iter().enumerate() {
        for (place, condition) in conditions.iter().enumerate() {
            let mut without = rule.clone();
            let Some(list) = &mut without.args else { continue };
            list[index].remove(place);
            if list[index].is_empty() {
                without.args = None;
            }
            all.push((format!("alternative {index} argument {}", condition.arg), without));
        }
    }
    all
}
