//! Rules that need no parser: length of files and lines, words that promise work for later.

use crate::tree::Source;
use crate::{hold, sample};

/// Lines of a file.
const FILE_LINES_MAX: usize = 250;
/// Characters of a line, comments included.
const COLUMNS_MAX: usize = 100;
/// Notes to oneself, spelled so that this file holds none.
const NOTES: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
/// Macros that stand for code that is not there.
const HOLES: [&str; 2] = [concat!("to", "do!"), concat!("unimpl", "emented!")];
/// What is written here as source, in any language.
const WRITTEN: [&str; 3] = [".rs", ".py", ".sh"];

fn file_length(source: &Source) -> Vec<String> {
    let n = source.text.lines().count();
    let what = format!("{n} lines, at most {FILE_LINES_MAX}");
    if n > FILE_LINES_MAX { vec![source.object(n, &what)] } else { Vec::new() }
}

fn columns(source: &Source) -> Vec<String> {
    let numbered = (1..).zip(source.text.lines());
    let wide = numbered.filter(|(_, line)| line.chars().count() > COLUMNS_MAX);
    wide.map(|(n, _)| source.object(n, "wider than 100 columns")).collect()
}

fn notes(source: &Source) -> Vec<String> {
    let numbered = (1..).zip(source.text.lines());
    let marked =
        numbered.filter(|(_, line)| NOTES.iter().chain(&HOLES).any(|note| holds_word(line, note)));
    marked.map(|(n, _)| source.object(n, "a note or a hole instead of the work")).collect()
}

/// Whether `word` stands in `line` with no letter, digit or underscore beside it.
fn holds_word(line: &str, word: &str) -> bool {
    let beside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        !beside(line[..at].chars().next_back()) && !beside(line[at + word.len()..].chars().next())
    })
}

#[test]
fn files_are_short() {
    hold(file_length, &WRITTEN);
    sample(file_length, "a.rs", &"\n".repeat(250), &"\n".repeat(251));
}

#[test]
fn lines_are_short() {
    hold(columns, &WRITTEN);
    sample(columns, "a.rs", &"é".repeat(100), &"é".repeat(101));
}

#[test]
fn nothing_is_left_for_later() {
    hold(notes, &WRITTEN);
    let (note, hole) = (NOTES[0], HOLES[0]);
    sample(notes, "a.rs", &format!("// {note}S_{note}"), &format!("// {note}: later"));
    sample(notes, "a.rs", "let to_do = 1;", &format!("fn f() {{ {hole}() }}"));
}
