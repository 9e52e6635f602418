//! What a grammar must not be before the parser sees it.
//!
//! The parser's own limits are counts of work that it does when it gets there; these are for what
//! it does without counting, for recursion on the stack, and for numbers that overflow.

mod lark;
mod schema;

use core_wire::{client::params::Grammar, code::Refusal};
use llguidance::api::TopLevelGrammar;
use serde_json::{Map, Value, json};

use super::{
    gbnf,
    limits::{NESTING_MAX, REGEX_BYTES_MAX},
    refusal::bad,
};

/// What may stand between two parts of a JSON value: nothing, a space, or a new line and as much
/// as five levels of four spaces.
const WHITESPACE: &str = r"\x20|\n\x20{0,20}";

/// The grammar for the parser, if it is within all bounds.
///
/// # Errors
/// `BAD_GRAMMAR`, naming the bound.
pub(super) fn checked(grammar: &Grammar) -> Result<TopLevelGrammar, Refusal> {
    match grammar {
        Grammar::JsonSchema(source) => {
            nesting(source)?;
            let schema = serde_json::from_str(source).map_err(|error| {
                let (line, column) = (error.line(), error.column());
                bad(format!("the schema is no JSON at line {line}, column {column}"))
            })?;
            schema::check(&schema)?;
            Ok(TopLevelGrammar::from_json_schema(with_bounded_whitespace(schema)))
        }
        Grammar::Regex(source) => {
            at_most("bytes of the regular expression", source.len(), REGEX_BYTES_MAX)?;
            nesting(source)?;
            Ok(TopLevelGrammar::from_regex(source))
        }
        Grammar::Lark(source) => {
            lark::check(source)?;
            Ok(TopLevelGrammar::from_lark(source.clone()))
        }
        Grammar::Gbnf(source) => {
            let translated = gbnf::translate(source)?;
            lark::check(&translated)?;
            Ok(TopLevelGrammar::from_lark(translated))
        }
    }
}

/// The schema with a bound on whitespace, unless it brings its own: without one a model that likes
/// newlines never comes to the closing bracket.
fn with_bounded_whitespace(schema: Value) -> Value {
    let mut schema = match schema {
        Value::Bool(true) => Value::Object(Map::new()),
        other => other,
    };
    if let Some(object) = schema.as_object_mut() {
        let options = json!({ "whitespace_pattern": WHITESPACE });
        object.entry("x-guidance").or_insert(options);
    }
    schema
}

/// A grammar that is always valid.
pub(super) fn smallest() -> TopLevelGrammar {
    TopLevelGrammar::from_regex("a")
}

/// Refuses what is more than a bound.
fn at_most(what: &str, found: usize, max: usize) -> Result<(), Refusal> {
    if found <= max {
        return Ok(());
    }
    Err(bad(format!("{what}: {found}; at most {max} are allowed")))
}

/// Checks how deep brackets go, wherever they stand: what looks too deep inside a text is refused
/// with the rest, since the parsers behind this recurse and do not say how far.
fn nesting(source: &str) -> Result<(), Refusal> {
    let mut depth: usize = 0;
    let mut deepest = 0;
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    at_most("brackets within brackets", deepest, NESTING_MAX)
}
