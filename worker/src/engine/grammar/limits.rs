//! Every bound on grammars, with where it comes from.
//!
//! "Tried" means: some 700 hostile grammars against llguidance 1.9.1 on a stack of 8 MiB, the size
//! that a worker has.

use core_wire::client::params::Grammar;
use llguidance::api::ParserLimits;

/// Steps of making the lexer, some 50 for a microsecond: 200,000 are below 100 ms with everything
/// around them. The largest published schemas want 500,000, and have megabytes.
pub(super) const LEXER_STEPS_MAX: u64 = 200_000;

/// Symbols of all productions. Ten alternatives of two objects each, all to hold at once, took
/// 1.5 s with the parser's own 500,000, and 0.1 s until they met this.
pub(super) const SYMBOLS_MAX: usize = 50_000;

/// States of the lexer, at 1 to 2 KiB each: 40 MiB at worst for a request.
pub(super) const LEXER_STATES_MAX: usize = 20_000;

/// Levels of brackets in a grammar or schema: serde_json goes to 128, llguidance's Lark to 30.
pub(super) const NESTING_MAX: usize = 100;

/// Bytes of a regular expression. A sequence of n optional parts takes memory in n^2: 30 KB of
/// them took 0.4 GB.
pub(super) const REGEX_BYTES_MAX: usize = 16 << 10;

/// Bytes of a Lark grammar: 60 KB of optional parts took 2 s for their first mask.
pub(super) const LARK_BYTES_MAX: usize = 32 << 10;

/// Bytes of one rule or terminal of a Lark grammar; as for a regular expression.
pub(super) const LARK_RULE_BYTES_MAX: usize = REGEX_BYTES_MAX;

/// Rules of a Lark grammar times the deepest brackets in it. The compiler goes down a chain of
/// rules through the brackets of each; 3,500 passed, 6,000 overflowed the stack.
pub(super) const LARK_DEPTH_MAX: usize = 2000;

/// Intersections and complements in a Lark grammar. They are made state by state, which no limit
/// of the parser covers: a thousand took more than 30 s, 64 passed at once.
pub(super) const LARK_OPERATORS_MAX: usize = 16;

/// Names in a Lark grammar, outside of texts and expressions. All places of its rules can be in one
/// row, read in every way, and a row is counted only when it is made: 2,900 names took 1.1 s for a
/// row, some 1,000 took 0.23 s, and ended the request. A grammar of JSON has some 40 names.
pub(super) const LARK_NAMES_MAX: usize = 1000;

/// Values of a schema, all levels together.
pub(super) const SCHEMA_VALUES_MAX: usize = 20_000;

/// Members of one object of a schema. Each optional property is an item of one parser row, and a
/// row holds 2,000: a thousand properties compiled and then failed at the first token.
pub(super) const SCHEMA_MEMBERS_MAX: usize = 400;

/// Bytes of one pattern of a schema.
pub(super) const PATTERN_BYTES_MAX: usize = 2 << 10;

/// Patterns and formats of a schema.
pub(super) const PATTERNS_MAX: usize = 64;

/// The same where `allOf`, or a `$ref` with something beside it, may intersect them: 32 took more
/// than 30 s, 8 passed at once.
pub(super) const PATTERNS_TOGETHER_MAX: usize = 8;

/// The largest bound of a number, either way: beyond 2^63 the parser's arithmetic overflows, and a
/// double holds whole numbers to 2^53 only.
pub(super) const NUMBER_MAX: f64 = 1e15;

/// What all `multipleOf` of a schema give when multiplied, zeros at the end of a fraction left out:
/// the lexer has a state for each remainder. 9,973 took 80 ms, 94,963 took 1.5 s.
pub(super) const MULTIPLES_MAX: f64 = 1e4;

/// The finest `multipleOf`: a thousandth.
pub(super) const MULTIPLE_UNIT: f64 = 1e-3;

/// Rules of a GBNF grammar.
pub(super) const GBNF_RULES_MAX: usize = 500;

/// Brackets within brackets of a GBNF grammar: what Lark allows, less the few that are added.
pub(super) const GBNF_NESTING_MAX: usize = 24;

/// The highest count in a repetition of a GBNF grammar.
pub(super) const GBNF_REPEAT_MAX: u32 = 10_000;

/// Items that the parser may make for one mask: ten rows of [`ROW_ITEMS_MAX`], since the longest
/// pieces of a vocabulary have some ten bytes.
///
/// A row of n items costs up to n^3 where a text can be read in many ways: each part that ends
/// there is joined to each that waits for it, and looked for among all. So a mask costs up to this
/// many items times the square of a row. A rule of up to nine times itself took 2.2 s with the
/// parser's own 50,000 and 2,000, 120 ms with 10,000 and 800, 59 ms with 8,000 and 500. JSON as
/// Lark or GBNF makes 28; sums and products of digits, read in any order, 959 after 300 characters.
pub(super) const STEP_ITEMS_MAX: usize = 4_000;

/// Items of a row, on the average of those for one mask and of the one that a token leaves. A rule
/// that calls itself at its end adds some five for every character, so a list of characters that
/// is written so ends after some 65; written as a repetition it adds none.
pub(super) const ROW_ITEMS_MAX: usize = 400;

/// As [`STEP_ITEMS_MAX`], for schemas, whose texts can hardly be read in two ways: an object of 390
/// optional properties made 1,589 in 1 ms, one of 500 objects 2,000.
pub(super) const SCHEMA_STEP_ITEMS_MAX: usize = 6_000;

/// As [`ROW_ITEMS_MAX`], for schemas: each optional property is two items, so 390 made 784.
pub(super) const SCHEMA_ROW_ITEMS_MAX: usize = 2_000;

/// Steps of the lexer for one mask, some 14 for a microsecond. Random schemas took 2,600 at most.
pub(super) const STEP_LEXER_STEPS_MAX: u64 = 50_000;

/// The parser's own limits.
pub(super) fn parser(grammar: &Grammar) -> ParserLimits {
    let (step_max_items, max_items_in_row) = match grammar {
        Grammar::JsonSchema(_) => (SCHEMA_STEP_ITEMS_MAX, SCHEMA_ROW_ITEMS_MAX),
        Grammar::Regex(_) | Grammar::Lark(_) | Grammar::Gbnf(_) => (STEP_ITEMS_MAX, ROW_ITEMS_MAX),
    };
    ParserLimits {
        max_items_in_row,
        initial_lexer_fuel: LEXER_STEPS_MAX,
        step_lexer_fuel: STEP_LEXER_STEPS_MAX,
        step_max_items,
        max_lexer_states: LEXER_STATES_MAX,
        max_grammar_size: SYMBOLS_MAX,
        // It would run large expressions over the whole vocabulary, which no fuel covers.
        precompute_large_lexemes: false,
        // They hold the grammar and the answer.
        verbose_errors: false,
    }
}
