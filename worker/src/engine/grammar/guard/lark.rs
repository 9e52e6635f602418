//! Lark, as far as its size can be seen without parsing it.

use core_wire::code::Refusal;

use super::{
    super::{
        limits::{
            LARK_BYTES_MAX, LARK_DEPTH_MAX, LARK_NAMES_MAX, LARK_OPERATORS_MAX, LARK_RULE_BYTES_MAX,
        },
        refusal::bad,
    },
    at_most, nesting,
};

/// Directives that bring another grammar in; its bounds would have to be checked inside of this.
const FOREIGN: [&str; 3] = ["%json", "%lark", "%regex"];

/// Where a byte of a grammar stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Grammar,
    Text,
    Regex,
    Comment,
}

/// What was counted outside of texts, expressions and comments.
#[derive(Default)]
struct Counts {
    rules: usize,
    operators: usize,
    depth: usize,
    deepest: usize,
    rule_began: usize,
    longest_rule: usize,
    names: usize,
    /// Two colons in a row. One without a value made the parser panic.
    parameters: usize,
}

/// Checks a grammar.
///
/// # Errors
/// `BAD_GRAMMAR`, naming the bound.
pub(super) fn check(source: &str) -> Result<(), Refusal> {
    at_most("bytes of the Lark grammar", source.len(), LARK_BYTES_MAX)?;
    nesting(source)?;
    if let Some(foreign) = FOREIGN.iter().find(|foreign| source.contains(**foreign)) {
        let message = format!("{foreign} is not supported; send a schema or an expression as such");
        return Err(bad(message));
    }
    let counts = count(source);
    if counts.parameters > 0 {
        let message = "rules with parameters (::) are not supported; write one rule for each value";
        return Err(bad(message.into()));
    }
    at_most("bytes of a Lark rule", counts.longest_rule, LARK_RULE_BYTES_MAX)?;
    at_most("names in the grammar", counts.names, LARK_NAMES_MAX)?;
    at_most("operators & and ~ of the grammar", counts.operators, LARK_OPERATORS_MAX)?;
    let depth = counts.rules.saturating_mul(counts.deepest + 1);
    at_most("rules of the grammar, times their deepest brackets", depth, LARK_DEPTH_MAX)
}

fn count(source: &str) -> Counts {
    let mut counts = Counts::default();
    let mut within = Within::Grammar;
    let bytes = source.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        let (after, taken) = step(within, byte, next);
        if within == Within::Grammar {
            counts.take(byte, at);
            counts.names += usize::from(ends_name(byte, next));
            counts.parameters += usize::from(byte == b':' && next == Some(b':'));
        }
        within = after;
        at += taken;
    }
    counts.end_rule(bytes.len());
    counts
}

/// Whether a name, or a number, ends with this byte.
fn ends_name(byte: u8, next: Option<u8>) -> bool {
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    in_name(byte) && !next.is_some_and(in_name)
}

/// Where the bytes after this one stand, and how many were looked at.
fn step(within: Within, byte: u8, next: Option<u8>) -> (Within, usize) {
    match (within, byte) {
        (Within::Grammar, b'"') => (Within::Text, 1),
        (Within::Grammar, b'#') => (Within::Comment, 1),
        (Within::Grammar, b'/') if next == Some(b'/') => (Within::Comment, 2),
        (Within::Grammar, b'/') => (Within::Regex, 1),
        (Within::Text | Within::Regex, b'\\') => (within, 2),
        // A text ends with its line at the latest; the parser refuses one that does.
        (Within::Text, b'"' | b'\n') | (Within::Regex, b'/') | (Within::Comment, b'\n') => {
            (Within::Grammar, 1)
        }
        _ => (within, 1),
    }
}

impl Counts {
    fn take(&mut self, byte: u8, at: usize) {
        match byte {
            b'(' | b'[' | b'{' => self.depth += 1,
            b')' | b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            b'&' | b'~' => self.operators += 1,
            b':' => {
                self.rules += 1;
                self.end_rule(at);
            }
            _ => {}
        }
        self.deepest = self.deepest.max(self.depth);
    }

    fn end_rule(&mut self, at: usize) {
        self.longest_rule = self.longest_rule.max(at - self.rule_began);
        self.rule_began = at;
    }
}
