//! Rules to Lark. Names of rules are numbers, so that none means something else there.

use std::fmt::Write;

use super::{Expr, Rule, Sense};

/// The whole grammar; `root` is the rule that it starts with.
pub(super) fn lark(rules: &[Rule], root: usize) -> String {
    let mut writer = Writer { regular: regular(rules), lines: String::new(), merged: 0 };
    let start = writer.name(root);
    for (number, rule) in rules.iter().enumerate() {
        let body = match writer.regular[number] {
            true => writer.lexeme(&rule.body),
            false => writer.phrase(&rule.body),
        };
        let name = writer.name(number);
        writer.line(&name, &body);
    }
    format!("start: {start}\n{}", writer.lines)
}

/// Which rules never reach themselves: those that refer to such alone, found from the bottom up.
fn regular(rules: &[Rule]) -> Vec<bool> {
    let mut known = vec![false; rules.len()];
    // Each round but the last finds one at least.
    for _ in 0..rules.len() {
        let before = known.clone();
        for (number, rule) in rules.iter().enumerate() {
            known[number] = is_regular(&rule.body, &before);
        }
        if known == before {
            break;
        }
    }
    known
}

fn is_regular(expr: &Expr, known: &[bool]) -> bool {
    match expr {
        Expr::Any(parts) | Expr::All(parts) => parts.iter().all(|part| is_regular(part, known)),
        Expr::Text(_) | Expr::Class { .. } => true,
        Expr::Rule(number) => known[*number],
        Expr::Repeat { of, .. } => is_regular(of, known),
    }
}

struct Writer {
    regular: Vec<bool>,
    lines: String,
    merged: usize,
}

impl Writer {
    fn name(&self, rule: usize) -> String {
        let letter = if self.regular[rule] { 'T' } else { 'r' };
        format!("{letter}{rule}")
    }

    fn line(&mut self, name: &str, body: &str) {
        // Writing to a string cannot fail.
        let _written = writeln!(self.lines, "{name}: {body}");
    }

    /// What refers to rules that reach themselves, or to lexemes.
    fn phrase(&mut self, expr: &Expr) -> String {
        match expr {
            Expr::Any(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| self.phrase(part)).collect();
                format!("({})", parts.join(" | "))
            }
            Expr::All(parts) => self.sequence(parts),
            Expr::Repeat { of, min, max } => {
                let of = self.phrase(of);
                repeated(&format!("({of})"), *min, *max)
            }
            Expr::Rule(number) => self.name(*number),
            Expr::Text(_) | Expr::Class { .. } => self.merge(std::slice::from_ref(expr)),
        }
    }

    /// Lexemes beside each other become one.
    fn sequence(&mut self, parts: &[Expr]) -> String {
        let known = self.regular.clone();
        let alike = |a: &Expr, b: &Expr| is_regular(a, &known) && is_regular(b, &known);
        let mut written = Vec::new();
        for run in parts.chunk_by(alike) {
            written.push(match run {
                [one] if !is_regular(one, &known) => self.phrase(one),
                run => self.merge(run),
            });
        }
        if written.is_empty() { "\"\"".into() } else { written.join(" ") }
    }

    fn merge(&mut self, run: &[Expr]) -> String {
        if let [Expr::Rule(number)] = run {
            return self.name(*number);
        }
        let body: Vec<String> = run.iter().map(|part| self.lexeme(part)).collect();
        let name = format!("M{}", self.merged);
        self.merged += 1;
        self.line(&name, &body.join(" "));
        name
    }

    /// What is regular, for the body of a terminal.
    fn lexeme(&self, expr: &Expr) -> String {
        let joined = |parts: &[Expr], with: &str| {
            let parts: Vec<String> = parts.iter().map(|part| self.lexeme(part)).collect();
            parts.join(with)
        };
        match expr {
            Expr::Any(parts) => format!("({})", joined(parts, " | ")),
            Expr::All(parts) if parts.is_empty() => "\"\"".into(),
            Expr::All(parts) => joined(parts, " "),
            Expr::Text(text) => quoted(text),
            Expr::Class { ranges, sense } => class(ranges, *sense),
            Expr::Rule(number) => self.name(*number),
            Expr::Repeat { of, min, max } => {
                repeated(&format!("({})", self.lexeme(of)), *min, *max)
            }
        }
    }
}

fn repeated(what: &str, min: u32, max: Option<u32>) -> String {
    match (min, max) {
        (0, None) => format!("{what}*"),
        (1, None) => format!("{what}+"),
        (0, Some(1)) => format!("{what}?"),
        (min, Some(max)) => format!("{what}{{{min},{max}}}"),
        (min, None) => format!("{what}{{{min},}}"),
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\0'..='\x1f' | '\x7f' => {
                let _written = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            _ => quoted.push(c),
        }
    }
    quoted + "\""
}

/// A class as a regular expression, each character by its number.
fn class(ranges: &[(char, char)], sense: Sense) -> String {
    let mut class = String::from(if sense == Sense::Has { "/[" } else { "/[^" });
    for &(first, last) in ranges {
        let (first, last) = (u32::from(first), u32::from(last));
        let _written = write!(class, "\\x{{{first:x}}}-\\x{{{last:x}}}");
    }
    class + "]/"
}
