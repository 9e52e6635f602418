//! What a client is told of a grammar that is not taken.
//!
//! The parser's sentences quote the grammar, which may hold what somebody asks for. So they are
//! looked at for a kind and a place, and never passed on.

use core_wire::code::{Code, Refusal};

use super::limits::{LEXER_STATES_MAX, LEXER_STEPS_MAX, ROW_ITEMS_MAX, SYMBOLS_MAX};

/// Words of the parser's sentences, and what they come down to.
const KINDS: [(&[&str], Kind); 6] = [
    (&["panic:"], Kind::Panic),
    (&["Unsatisfiable", "unsatisfiable"], Kind::Unsatisfiable),
    (&["grammar size"], Kind::Symbols),
    (&["lexer states", "too many expressions", "Too many items", "Current row"], Kind::States),
    (&["fuel", "too big", "too complex", "too large", "too many"], Kind::Steps),
    (&["nimplemented", "not supported", "unsupported", "Unsupported"], Kind::Unsupported),
];

/// Why a grammar is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Panic,
    Unsatisfiable,
    Symbols,
    States,
    Steps,
    Unsupported,
    Invalid,
}

/// The refusal for what the parser said.
pub(super) fn of(said: &str) -> Refusal {
    let known = KINDS.iter().find(|(words, _)| words.iter().any(|word| said.contains(word)));
    let kind = known.map_or(Kind::Invalid, |&(_, kind)| kind);
    let place = place(said).map_or(String::new(), |(line, column)| {
        format!(" (line {line}, column {column} of it as Lark)")
    });
    bad(match kind {
        Kind::Panic => "the grammar is not handled by the parser of this version".into(),
        Kind::Unsatisfiable => "the grammar allows no answer at all".into(),
        Kind::Symbols => format!(
            "the grammar has more than {SYMBOLS_MAX} symbols once it is spelt out; make it smaller"
        ),
        Kind::States => return too_much(),
        Kind::Steps => format!(
            "the grammar takes more than {LEXER_STEPS_MAX} steps to compile; make it smaller{place}"
        ),
        Kind::Unsupported => format!("the grammar asks for something not supported{place}"),
        Kind::Invalid => format!("the grammar is not valid{place}"),
    })
}

/// The refusal of a grammar that is too much for the parser at one place of an answer.
pub(super) fn too_much() -> Refusal {
    bad(format!(
        "the grammar needs too much at once, for instance more than {LEXER_STATES_MAX} lexer \
         states or {ROW_ITEMS_MAX} ways to read on; make it smaller"
    ))
}

/// `BAD_GRAMMAR` with a sentence of ours.
pub(super) fn bad(message: String) -> Refusal {
    Refusal::new(Code::BadGrammar, message)
}

/// The line and the column of a sentence that starts with `at LINE(COLUMN):`.
fn place(said: &str) -> Option<(u32, u32)> {
    let (line, rest) = said.strip_prefix("at ").unwrap_or(said).split_once('(')?;
    let (column, _) = rest.split_once("):")?;
    Some((line.parse().ok()?, column.parse().ok()?))
}
