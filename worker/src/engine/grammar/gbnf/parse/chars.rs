//! The characters of GBNF: texts, classes, escapes, names and space.

use core_wire::code::Refusal;

use super::{
    super::{Expr, Sense},
    Lines, Parser, bad,
};

impl<'s> Parser<'s> {
    pub(super) fn text(&mut self) -> Result<Expr, Refusal> {
        self.take("\"");
        let mut text = String::new();
        while !self.take("\"") {
            text.push(self.character()?);
        }
        Ok(Expr::Text(text))
    }

    pub(super) fn class(&mut self) -> Result<Expr, Refusal> {
        self.take("[");
        let sense = if self.take("^") { Sense::Lacks } else { Sense::Has };
        let mut ranges = Vec::new();
        while !self.take("]") {
            let first = self.character()?;
            let is_range = self.rest.starts_with('-') && !self.rest.starts_with("-]");
            let last = if is_range && self.take("-") { self.character()? } else { first };
            if first > last {
                return Err(self.wrong("a range of characters goes backwards"));
            }
            ranges.push((first, last));
        }
        if ranges.is_empty() {
            return Err(self.wrong("a class is empty"));
        }
        Ok(Expr::Class { ranges, sense })
    }

    /// One character of a text or class, escaped or not.
    fn character(&mut self) -> Result<char, Refusal> {
        let first = self.next().ok_or_else(|| self.wrong("a text or class is not closed"))?;
        if first == '\n' {
            return Err(self.wrong("a text or class ends with its line"));
        }
        if first != '\\' {
            return Ok(first);
        }
        match self.next() {
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some(c @ ('\\' | '"' | '[' | ']' | '-' | '^' | '/')) => Ok(c),
            Some('x') => self.hexadecimal(2),
            Some('u') => self.hexadecimal(4),
            Some('U') => self.hexadecimal(8),
            _ => Err(self.wrong("this escape is not known")),
        }
    }

    fn hexadecimal(&mut self, digits: usize) -> Result<char, Refusal> {
        let value = self.rest.get(..digits).and_then(|text| {
            let plain = text.bytes().all(|byte| byte.is_ascii_hexdigit());
            let value = u32::from_str_radix(text, 16).ok().filter(|_| plain)?;
            char::from_u32(value)
        });
        match value {
            Some(value) => {
                self.rest = &self.rest[digits..];
                Ok(value)
            }
            None => Err(self.wrong("an escape names no character")),
        }
    }

    pub(super) fn name(&mut self) -> Option<&'s str> {
        let name = self.while_is(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        (!name.is_empty()).then_some(name)
    }

    pub(super) fn space(&mut self, lines: Lines) {
        loop {
            self.while_is(|c| c == ' ' || c == '\t');
            if self.rest.starts_with('#') {
                self.while_is(|c| c != '\n' && c != '\r');
            }
            let ends = self.rest.starts_with(['\n', '\r']);
            if !ends || lines == Lines::End {
                return;
            }
            let _end = self.next();
        }
    }

    pub(super) fn while_is(&mut self, is: fn(char) -> bool) -> &'s str {
        let end = self.rest.find(|c| !is(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    pub(super) fn take(&mut self, what: &str) -> bool {
        match self.rest.strip_prefix(what) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next()?;
        self.rest = chars.as_str();
        self.line += u32::from(next == '\n');
        Some(next)
    }

    pub(super) fn wrong(&self, what: &str) -> Refusal {
        bad(format!("the GBNF grammar is not valid in line {}: {what}", self.line))
    }
}
