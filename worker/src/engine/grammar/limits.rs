//! Every bound on grammars, with where it comes from.
//!
//! "Tried" means: some 700 hostile grammars against llguidance 1.9.1 on a stack of 8 MiB, the size
//! that a worker has.

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

/// The parser's own limits.
pub(super) fn parser() -> ParserLimits {
    ParserLimits {
        initial_lexer_fuel: LEXER_STEPS_MAX,
        max_lexer_states: LEXER_STATES_MAX,
        max_grammar_size: SYMBOLS_MAX,
        // It would run large expressions over the whole vocabulary, which no fuel covers.
        precompute_large_lexemes: false,
        // They hold the grammar and the answer.
        verbose_errors: false,
        ..ParserLimits::default()
    }
}
