//! GBNF to rules: one pass, no backtracking, brackets bounded.

mod chars;

use std::collections::HashMap;

use core_wire::code::Refusal;

use super::{
    super::{
        limits::{GBNF_NESTING_MAX, GBNF_REPEAT_MAX, GBNF_RULES_MAX},
        refusal::bad,
    },
    Expr, Rule, Sense,
};

/// The rule that every grammar starts with.
const ROOT: &str = "root";

/// The rules in the order in which they are first named, and the number of the root.
///
/// # Errors
/// `BAD_GRAMMAR`.
pub(super) fn rules(source: &str) -> Result<(Vec<Rule>, usize), Refusal> {
    let mut parser =
        Parser { rest: source, line: 1, depth: 0, numbers: HashMap::new(), bodies: Vec::new() };
    parser.space(Lines::Pass);
    while !parser.rest.is_empty() {
        parser.rule()?;
        parser.space(Lines::Pass);
    }
    let Some(&root) = parser.numbers.get(ROOT) else {
        return Err(bad(format!("the GBNF grammar has no rule named {ROOT}")));
    };
    let bodies: Option<Vec<Expr>> = parser.bodies.into_iter().collect();
    let Some(bodies) = bodies else {
        return Err(bad("the GBNF grammar names a rule that it does not have".into()));
    };
    Ok((bodies.into_iter().map(|body| Rule { body }).collect(), root))
}

/// Whether the end of a line is space, as it is within brackets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    End,
    Pass,
}

struct Parser<'s> {
    rest: &'s str,
    line: u32,
    depth: usize,
    numbers: HashMap<&'s str, usize>,
    bodies: Vec<Option<Expr>>,
}

impl<'s> Parser<'s> {
    fn rule(&mut self) -> Result<(), Refusal> {
        let name = self.name().ok_or_else(|| self.wrong("a rule's name is due"))?;
        let number = self.number(name)?;
        self.space(Lines::End);
        if !self.take("::=") {
            return Err(self.wrong("::= is due"));
        }
        self.space(Lines::Pass);
        let body = self.alternatives(Lines::End)?;
        if !(self.rest.is_empty() || self.rest.starts_with(['\n', '\r'])) {
            return Err(self.wrong("the end of the rule is due"));
        }
        if self.bodies[number].replace(body).is_some() {
            return Err(self.wrong("this rule was there before"));
        }
        Ok(())
    }

    fn alternatives(&mut self, lines: Lines) -> Result<Expr, Refusal> {
        let mut parts = vec![self.sequence(lines)?];
        while self.take("|") {
            self.space(Lines::Pass);
            parts.push(self.sequence(lines)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Any(parts) })
    }

    fn sequence(&mut self, lines: Lines) -> Result<Expr, Refusal> {
        let mut parts = Vec::new();
        while let Some(part) = self.part()? {
            self.space(lines);
            let part = self.counted(part)?;
            self.space(lines);
            parts.push(part);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::All(parts) })
    }

    fn part(&mut self) -> Result<Option<Expr>, Refusal> {
        if let Some(name) = self.name() {
            return Ok(Some(Expr::Rule(self.number(name)?)));
        }
        let Some(first) = self.rest.chars().next() else {
            return Ok(None);
        };
        match first {
            '"' => self.text().map(Some),
            '[' => self.class().map(Some),
            '(' => self.group().map(Some),
            '.' => {
                self.take(".");
                Ok(Some(Expr::Class { ranges: vec![('\0', char::MAX)], sense: Sense::Has }))
            }
            '<' | '!' => Err(self.wrong("tokens by name or number are not supported")),
            _ => Ok(None),
        }
    }

    fn group(&mut self) -> Result<Expr, Refusal> {
        self.take("(");
        self.depth += 1;
        if self.depth > GBNF_NESTING_MAX {
            let what = format!("brackets are {GBNF_NESTING_MAX} deep already");
            return Err(self.wrong(&what));
        }
        self.space(Lines::Pass);
        let inner = self.alternatives(Lines::Pass)?;
        self.depth -= 1;
        if self.take(")") { Ok(inner) } else { Err(self.wrong("a bracket is not closed")) }
    }

    /// The part with what stands behind it: `*`, `+`, `?` or counts in braces.
    fn counted(&mut self, part: Expr) -> Result<Expr, Refusal> {
        let (min, max) = if self.take("*") {
            (0, None)
        } else if self.take("+") {
            (1, None)
        } else if self.take("?") {
            (0, Some(1))
        } else if self.take("{") {
            self.counts()?
        } else {
            return Ok(part);
        };
        if self.rest.starts_with(['*', '+', '?', '{']) {
            return Err(self.wrong("a repetition of a repetition needs brackets"));
        }
        Ok(Expr::Repeat { of: Box::new(part), min, max })
    }

    fn counts(&mut self) -> Result<(u32, Option<u32>), Refusal> {
        self.space(Lines::End);
        let min = self.count()?;
        self.space(Lines::End);
        let max = if self.take(",") {
            self.space(Lines::End);
            self.count()?
        } else {
            min
        };
        self.space(Lines::End);
        let is_ordered = max.is_none_or(|max| min.unwrap_or(0) <= max);
        if !self.take("}") || !is_ordered || (min.is_none() && max.is_none()) {
            return Err(self.wrong("the counts of a repetition are not in order"));
        }
        Ok((min.unwrap_or(0), max))
    }

    fn count(&mut self) -> Result<Option<u32>, Refusal> {
        let digits = self.while_is(|c| c.is_ascii_digit());
        if digits.is_empty() {
            return Ok(None);
        }
        match digits.parse() {
            Ok(count) if count <= GBNF_REPEAT_MAX => Ok(Some(count)),
            _ => {
                let what = format!("a count is beyond {GBNF_REPEAT_MAX}");
                Err(self.wrong(&what))
            }
        }
    }

    /// The number of a rule, which may come later.
    fn number(&mut self, name: &'s str) -> Result<usize, Refusal> {
        let number = *self.numbers.entry(name).or_insert(self.bodies.len());
        if number == self.bodies.len() {
            self.bodies.push(None);
        }
        if self.bodies.len() > GBNF_RULES_MAX {
            return Err(bad(format!("the GBNF grammar has more than {GBNF_RULES_MAX} rules")));
        }
        Ok(number)
    }
}
