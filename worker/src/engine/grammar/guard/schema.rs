//! JSON schemas: how large, and which numbers and patterns.

use core_wire::code::Refusal;
use serde_json::Value;

use super::{
    super::{
        limits::{
            MULTIPLE_UNIT, MULTIPLES_MAX, NUMBER_MAX, PATTERN_BYTES_MAX, PATTERNS_MAX,
            PATTERNS_TOGETHER_MAX, SCHEMA_MEMBERS_MAX, SCHEMA_VALUES_MAX,
        },
        refusal::bad,
    },
    at_most,
};

/// How far a double may be from a whole number of units and still mean it.
const UNIT_ERROR_MAX: f64 = 1e-6;

/// Decimals of a unit.
const UNIT_DIGITS: u32 = 3;

/// What was found on the way through a schema.
struct Found {
    values: usize,
    patterns: usize,
    together: Together,
    /// All different `multipleOf`, multiplied, in units.
    multiples: f64,
    seen: Vec<f64>,
}

/// Whether parts of the schema may have to hold at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Together {
    Never,
    Maybe,
}

/// Checks a schema; serde_json has bounded how deep it goes.
///
/// # Errors
/// `BAD_GRAMMAR`, naming the bound.
pub(super) fn check(schema: &Value) -> Result<(), Refusal> {
    let mut found = Found {
        values: 0,
        patterns: 0,
        together: Together::Never,
        multiples: 1.0,
        seen: Vec::new(),
    };
    found.value(schema)?;
    let patterns_max = match found.together {
        Together::Never => PATTERNS_MAX,
        Together::Maybe => PATTERNS_TOGETHER_MAX,
    };
    at_most("patterns and formats of the schema", found.patterns, patterns_max)
}

impl Found {
    fn value(&mut self, value: &Value) -> Result<(), Refusal> {
        self.values += 1;
        at_most("values of the schema", self.values, SCHEMA_VALUES_MAX)?;
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.value(item)),
            Value::Object(members) => {
                at_most("members of an object of the schema", members.len(), SCHEMA_MEMBERS_MAX)?;
                if members.contains_key("$ref") && members.len() > 1 {
                    self.together = Together::Maybe;
                }
                members.iter().try_for_each(|(key, value)| self.member(key, value))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    /// A keyword, or a property of that name: both are counted as the keyword.
    fn member(&mut self, key: &str, value: &Value) -> Result<(), Refusal> {
        match (key, value) {
            ("allOf", _) => self.together = Together::Maybe,
            ("format", Value::String(_)) => self.patterns += 1,
            ("pattern", Value::String(pattern)) => self.pattern(pattern)?,
            ("patternProperties", Value::Object(patterns)) => {
                patterns.keys().try_for_each(|pattern| self.pattern(pattern))?;
            }
            ("multipleOf", Value::Number(number)) => self.multiple(number.as_f64())?,
            ("minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum", bound) => {
                check_bound(key, bound.as_f64())?;
            }
            _ => {}
        }
        self.value(value)
    }

    fn pattern(&mut self, pattern: &str) -> Result<(), Refusal> {
        self.patterns += 1;
        at_most("bytes of a pattern of the schema", pattern.len(), PATTERN_BYTES_MAX)
    }

    fn multiple(&mut self, of: Option<f64>) -> Result<(), Refusal> {
        let units = of.unwrap_or(f64::NAN) / MULTIPLE_UNIT;
        // A NaN is in no range.
        let is_near = (1.0..=MULTIPLES_MAX / MULTIPLE_UNIT).contains(&units);
        if !is_near || (units - units.round()).abs() > UNIT_ERROR_MAX {
            let message =
                format!("a multipleOf is not a multiple of {MULTIPLE_UNIT} up to {MULTIPLES_MAX}");
            return Err(bad(message));
        }
        let units = units.round();
        if !self.seen.contains(&units) {
            self.seen.push(units);
            self.multiples *= states(units);
        }
        if self.multiples > MULTIPLES_MAX {
            let message = format!("all multipleOf, multiplied, exceed {MULTIPLES_MAX}; use fewer");
            return Err(bad(message));
        }
        Ok(())
    }
}

/// What a number of units costs: its digits without the zeros that only say where the point is.
fn states(mut units: f64) -> f64 {
    for _ in 0..UNIT_DIGITS {
        if units % 10.0 == 0.0 {
            units /= 10.0;
        }
    }
    units
}

fn check_bound(key: &str, bound: Option<f64>) -> Result<(), Refusal> {
    match bound {
        Some(bound) if !(-NUMBER_MAX..=NUMBER_MAX).contains(&bound) => {
            Err(bad(format!("{key} of the schema is beyond {NUMBER_MAX:e}; choose a nearer one")))
        }
        _ => Ok(()),
    }
}
