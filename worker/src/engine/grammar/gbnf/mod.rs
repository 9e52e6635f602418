//! GBNF, the notation of llama.cpp, translated to Lark.
//!
//! Rules that do not reach themselves are regular and become terminals, and so does whatever stands
//! beside each other between rules that do: the parser behind this then sees few, long lexemes. It
//! takes the longest lexeme that fits, so an answer always follows the grammar, but a grammar whose
//! lexemes can be cut in two ways may lose some of its answers. What refers to tokens by their ids
//! is refused.

mod parse;
mod write;

#[cfg(test)]
mod tests;

use core_wire::code::Refusal;

/// A rule with the number of its place.
struct Rule {
    body: Expr,
}

/// What a rule may consist of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expr {
    /// One of these.
    Any(Vec<Expr>),
    /// All of these, one after the other.
    All(Vec<Expr>),
    /// This text.
    Text(String),
    /// A character in one of these ranges, or in none.
    Class { ranges: Vec<(char, char)>, sense: Sense },
    /// What another rule says.
    Rule(usize),
    /// Something at least so often, and at most.
    Repeat { of: Box<Expr>, min: u32, max: Option<u32> },
}

/// Whether a class names what it has or what it lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sense {
    Has,
    Lacks,
}

/// The grammar in Lark.
///
/// # Errors
/// `BAD_GRAMMAR`, naming the line and what is wrong there, or what is not supported.
pub(super) fn translate(source: &str) -> Result<String, Refusal> {
    let (rules, root) = parse::rules(source)?;
    Ok(write::lark(&rules, root))
}
