//! What an answer has to be: at most one of a grammar, a schema and a pattern.

use std::path::{Path, PathBuf};

use clap::Args;
use core_client::{Code, Grammar, Refusal, RequestError, wire::limits::GRAMMAR_BYTES_MAX};

use crate::{failure::Failure, input};

/// What only a grammar in llama.cpp's notation holds: its sign for "is".
const GBNF_SIGN: &str = "::=";
/// How the name of a file in that notation ends.
const GBNF_ENDING: &str = "gbnf";

/// What the answer has to be.
#[derive(Args, Debug)]
#[command(next_help_heading = "What the answer has to be (one of these)")]
#[group(multiple = false)]
pub(super) struct AnswerArgs {
    /// A JSON value that the schema in this file allows
    #[arg(long, value_name = "FILE")]
    json_schema: Option<PathBuf>,
    /// A text that this regular expression matches as a whole
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    regex: Option<String>,
    /// A text of the grammar in this file: Lark, or GBNF where the name ends in .gbnf or the text
    /// holds `::=`
    #[arg(long, value_name = "FILE")]
    grammar: Option<PathBuf>,
}

impl AnswerArgs {
    /// Reads what was typed; whether it is sound is the broker's to say.
    pub(super) fn grammar(&mut self) -> Result<Option<Grammar>, Failure> {
        if let Some(path) = &self.json_schema {
            return Ok(Some(Grammar::JsonSchema(read(path)?)));
        }
        match &self.grammar {
            Some(path) => Ok(Some(notation(path, read(path)?))),
            None => Ok(self.regex.take().map(Grammar::Regex)),
        }
    }
}

/// Says what the broker would say of a longer one; a frame might not even carry it there.
fn read(path: &Path) -> Result<String, Failure> {
    input::read_file(path, GRAMMAR_BYTES_MAX)?.ok_or_else(|| {
        let message = format!(
            "the grammar in {} has more than {GRAMMAR_BYTES_MAX} bytes; 1 to {GRAMMAR_BYTES_MAX} \
             are allowed",
            path.display()
        );
        RequestError::from(Refusal::new(Code::BadGrammar, message)).into()
    })
}

fn notation(path: &Path, text: String) -> Grammar {
    let named = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case(GBNF_ENDING));
    match named || text.contains(GBNF_SIGN) {
        true => Grammar::Gbnf(text),
        false => Grammar::Lark(text),
    }
}
