//! The policy files as a reader would understand them, by serde_json alone.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::Value;

use crate::names;

/// What must happen to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allow,
    Errno(u32),
    Kill,
}

impl Verdict {
    /// The kernel's number for it.
    pub(crate) fn answer(self) -> u32 {
        match self {
            Self::Allow => 0x7fff_0000,
            Self::Errno(errno) => 0x0005_0000 | errno,
            Self::Kill => 0x8000_0000,
        }
    }
}

/// One condition.
#[derive(Debug, Clone)]
pub(crate) struct Test {
    pub(crate) arg: usize,
    pub(crate) mask: u64,
    pub(crate) op: String,
    pub(crate) value: u64,
    pub(crate) ignoring: u64,
}

/// Alternatives of a call; none means any arguments.
pub(crate) type Alternatives = Vec<Vec<Test>>;

/// A profile as it is read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) default: Option<Verdict>,
    pub(crate) allow: BTreeMap<i64, Alternatives>,
    pub(crate) errno: Vec<(u32, BTreeMap<i64, Alternatives>)>,
}

impl Reading {
    /// Reads a profile and what it includes, with `pid` for `@pid`.
    pub(crate) fn of(profile: &str, pid: u32) -> Self {
        let json = json(profile);
        let mut reading = Self::default();
        for included in included(&json) {
            for (number, alternatives) in Self::of(&included, pid).allow {
                reading.unite(number, alternatives);
            }
        }
        reading.default = Some(match json["default"].as_str() {
            Some("kill_process") => Verdict::Kill,
            _ => Verdict::Errno(1),
        });
        for rule in json["allow"].as_array().unwrap() {
            let (number, alternatives) = rule_of(rule, pid);
            reading.unite(number, alternatives);
        }
        for answer in json["errno"].as_array().into_iter().flatten() {
            let errno = names::value(answer["answer"].as_str().unwrap()).unwrap();
            let rules = answer["rules"].as_array().unwrap().iter().map(|rule| rule_of(rule, pid));
            reading.errno.push((u32::try_from(errno).unwrap(), rules.collect()));
        }
        reading
    }

    /// Takes a rule in: it allows what either allows, so one without conditions wins.
    fn unite(&mut self, number: i64, mut alternatives: Alternatives) {
        let known = self.allow.entry(number);
        match known {
            Entry::Vacant(new) => {
                new.insert(alternatives);
            }
            Entry::Occupied(mut known) if alternatives.is_empty() || known.get().is_empty() => {
                known.get_mut().clear();
            }
            Entry::Occupied(mut known) => known.get_mut().append(&mut alternatives),
        }
    }

    /// The verdict on a call of the native ABI.
    pub(crate) fn verdict(&self, number: i64, args: &[u64; 6]) -> Verdict {
        let matches = |rules: &BTreeMap<i64, Alternatives>| {
            rules.get(&number).is_some_and(|alternatives| holds(alternatives, args))
        };
        let allowed = matches(&self.allow);
        let default = self.default.expect("a default");
        if !allowed && default == Verdict::Kill {
            return Verdict::Kill;
        }
        match self.errno.iter().find(|(_, rules)| matches(rules)) {
            Some((errno, _)) => Verdict::Errno(*errno),
            None if allowed => Verdict::Allow,
            None => default,
        }
    }
}

/// The profiles that a file includes: one name, a list, or none.
pub(crate) fn included(json: &Value) -> Vec<String> {
    let names = json["includes"].as_array().cloned().unwrap_or(vec![json["includes"].clone()]);
    names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The file's content.
pub(crate) fn json(profile: &str) -> Value {
    let path = format!("{}/seccomp/{profile}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn rule_of(rule: &Value, pid: u32) -> (i64, Alternatives) {
    let number = names::syscall(rule["syscall"].as_str().unwrap()).unwrap();
    let alternatives = rule["args"].as_array().into_iter().flatten();
    let tests = |conditions: &Value| {
        conditions.as_array().unwrap().iter().map(|test| test_of(test, pid)).collect()
    };
    (number, alternatives.map(tests).collect())
}

fn test_of(test: &Value, pid: u32) -> Test {
    let number = |key: &str| match test[key].as_str() {
        None => 0,
        Some("@pid") => u64::from(pid),
        Some(text) => names::value(text).unwrap(),
    };
    Test {
        arg: usize::try_from(test["arg"].as_u64().unwrap()).unwrap(),
        mask: if test["width"] == "int" { u64::from(u32::MAX) } else { u64::MAX },
        op: test["op"].as_str().unwrap().to_owned(),
        value: number("value"),
        ignoring: number("ignoring"),
    }
}

fn holds(alternatives: &Alternatives, args: &[u64; 6]) -> bool {
    alternatives.is_empty()
        || alternatives.iter().any(|tests| tests.iter().all(|test| test.holds(args)))
}

impl Test {
    fn holds(&self, args: &[u64; 6]) -> bool {
        let found = args[self.arg] & self.mask;
        match self.op.as_str() {
            "eq" => (found | self.ignoring) == (self.value | self.ignoring),
            "subset_of" => found | self.value == self.value,
            "none_of" => found & self.value == 0,
            "all_of" => found & self.value == self.value,
            "at_most" => found <= self.value,
            other => panic!("operator {other}"),
        }
    }
}
