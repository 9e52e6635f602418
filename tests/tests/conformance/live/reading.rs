//! Reading filter programs: what lets a call through, told as conditions on its arguments.

use std::collections::BTreeSet;

use core_policy::seccomp::Insn;

/// Numbers that are looked at; the kernel has some 470.
pub(super) const NUMBERS: u32 = 1024;
/// `AUDIT_ARCH_X86_64` and `AUDIT_ARCH_I386`, linux/audit.h.
pub(super) const X86_64: u32 = 0xc000_003e;
pub(super) const I386: u32 = 0x4000_0003;
/// What marks a call of the x32 ABI.
pub(super) const X32: u32 = 0x4000_0000;
/// `SECCOMP_RET_ALLOW`; `SECCOMP_RET_LOG` is the same but for a line.
const ALLOW: u32 = 0x7fff_0000;
/// Where the first argument begins in `struct seccomp_data`.
const ARGUMENTS: u32 = 16;
/// Paths of one program for one number: the longest rule has some twenty.
const PATHS_MAX: usize = 10_000;

/// What the accumulator holds.
#[derive(Clone, Copy)]
enum Value {
    Known(u32),
    /// A word of an argument, under a mask.
    Word(u32, u32),
}

/// One way through a program.
struct Path {
    at: usize,
    value: Value,
    conditions: Vec<Condition>,
}

/// A test of a word, how it is told, and how it went.
#[derive(Clone, PartialEq, Eq)]
struct Condition {
    test: (u16, u32, u32, u32),
    truth: bool,
    told: String,
}

/// Whether any arguments at all let a call through every program.
pub(super) fn allowed(programs: &[Vec<Insn>], arch: u32, nr: u32) -> bool {
    programs.iter().all(|program| !ways(program, arch, nr).is_empty())
}

/// The conditions under which a call gets through, one line for each program that has any; `None`
/// when it never does.
pub(super) fn conditions(programs: &[Vec<Insn>], nr: u32) -> Option<String> {
    let mut parts = Vec::new();
    for program in programs {
        let ways = ways(program, X86_64, nr);
        if ways.is_empty() {
            return None;
        }
        if !ways.contains("") {
            parts.push(ways.into_iter().collect::<Vec<_>>().join(" or "));
        }
    }
    parts.dedup();
    Some(if parts.is_empty() { "anything".into() } else { parts.join("; and ") })
}

/// Every way to an answer that allows; what depends on an argument goes both ways.
fn ways(program: &[Insn], arch: u32, nr: u32) -> BTreeSet<String> {
    let mut found: Vec<Vec<Condition>> = Vec::new();
    let mut open = vec![Path { at: 0, value: Value::Known(0), conditions: Vec::new() }];
    for _ in 0..PATHS_MAX {
        let Some(path) = open.pop() else {
            return found.iter().map(|way| told(way, &found)).collect();
        };
        let insn = program[path.at];
        match insn.code {
            0x06 if insn.k == ALLOW => found.push(path.conditions),
            0x06 => {}
            0x20 => open.push(path.goes(1, loaded(insn.k, arch, nr))),
            0x54 => open.push(path.masked(insn.k)),
            0x05 => open.push(path.skips(insn.k as usize)),
            0x15 | 0x25 | 0x35 | 0x45 => open.extend(path.branches(&insn)),
            // What is not understood here could do anything.
            _ => return BTreeSet::from(["not understood".into()]),
        }
    }
    BTreeSet::from(["too many ways".into()])
}

/// A way in words. That a test failed says nothing where another way is open to what passes it: the
/// rules of one call are tried one after another.
fn told(way: &[Condition], all: &[Vec<Condition>]) -> String {
    let matters = |condition: &&Condition| {
        let passes = |other: &Condition| other.truth && other.test == condition.test;
        condition.truth || !all.iter().flatten().any(passes)
    };
    let words: Vec<&str> =
        way.iter().filter(matters).map(|condition| condition.told.as_str()).collect();
    words.join(" ")
}

/// What a load gives: number and architecture are known, arguments could be anything.
fn loaded(offset: u32, arch: u32, nr: u32) -> Value {
    match offset {
        0 => Value::Known(nr),
        4 => Value::Known(arch),
        _ => Value::Word(offset, u32::MAX),
    }
}

impl Path {
    fn goes(self, steps: usize, value: Value) -> Self {
        Self { at: self.at + steps, value, ..self }
    }

    fn skips(self, count: usize) -> Self {
        let value = self.value;
        self.goes(1 + count, value)
    }

    fn masked(self, mask: u32) -> Self {
        let value = match self.value {
            Value::Known(value) => Value::Known(value & mask),
            Value::Word(offset, before) => Value::Word(offset, before & mask),
        };
        self.goes(1, value)
    }

    fn branches(self, insn: &Insn) -> Vec<Self> {
        let (yes, no) = (usize::from(insn.jt), usize::from(insn.jf));
        match self.value {
            Value::Known(value) => {
                let holds = holds(insn, value);
                vec![self.skips(if holds { yes } else { no })]
            }
            Value::Word(offset, mask) => {
                let test = (insn.code, insn.k, offset, mask);
                let known = self.conditions.iter().find(|known| known.test == test);
                match known.map(|known| known.truth) {
                    Some(truth) => vec![self.skips(if truth { yes } else { no })],
                    None => [(yes, true), (no, false)]
                        .map(|(count, truth)| self.decided(test, count, truth))
                        .into(),
                }
            }
        }
    }

    fn decided(&self, test: (u16, u32, u32, u32), count: usize, truth: bool) -> Self {
        let (code, k, offset, mask) = test;
        let told = condition(code, k, (offset, mask), truth);
        let conditions = [self.conditions.clone(), vec![Condition { test, truth, told }]].concat();
        Self { at: self.at + 1 + count, value: self.value, conditions }
    }
}

fn holds(insn: &Insn, value: u32) -> bool {
    match insn.code {
        0x15 => value == insn.k,
        0x25 => value > insn.k,
        0x35 => value >= insn.k,
        _ => value & insn.k != 0,
    }
}

fn condition(code: u16, k: u32, (offset, mask): (u32, u32), truth: bool) -> String {
    let argument = offset.saturating_sub(ARGUMENTS);
    let half = if argument.is_multiple_of(8) { "" } else { "'" };
    let masked = if mask == u32::MAX { String::new() } else { format!("&{mask:x}") };
    let word = format!("a{}{half}{masked}", argument / 8);
    match (code, truth) {
        (0x15, true) => format!("{word}={k:x}"),
        (0x15, false) => format!("{word}!={k:x}"),
        (0x25, true) => format!("{word}>{k:x}"),
        (0x25, false) => format!("{word}<={k:x}"),
        (0x35, true) => format!("{word}>={k:x}"),
        (0x35, false) => format!("{word}<{k:x}"),
        (_, true) => format!("{word}&{k:x}"),
        (_, false) => format!("{word}!&{k:x}"),
    }
}
