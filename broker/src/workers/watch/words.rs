//! The last words of a worker: which assertion failed, or that no memory was left.
//!
//! They are a worker's own word and explain an end that was seen without them: a lie changes a
//! sentence and a counter, never what becomes of a request.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

/// Lines before its end that are looked at: the C++ runtime says two of an exception, ggml one of
/// an allocation and one of the assertion behind it.
const LINES_KEPT: usize = 4;

/// Bytes of them that are told; the longest assertion of llama.cpp has 180.
const WORDS_BYTES_MAX: usize = 240;

/// What the engine, its language runtimes and our own panic hook say when they give up.
const OF_AN_END: [&str; 8] = [
    "GGML_ASSERT",
    "GGML_ABORT",
    "fatal error",
    "panic at",
    "terminate called",
    "what():",
    "insufficient memory",
    "memory allocation of",
];

/// What they say where that was for lack of memory: `std::bad_alloc`, Rust's allocator, ggml's.
const OF_MEMORY: [&str; 5] =
    ["bad_alloc", "memory allocation of", "insufficient memory", "failed to allocate", "ENOMEM"];

/// The last lines of one worker's log, shared by who reads it and who judges its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastWords(Rc<RefCell<VecDeque<String>>>);

/// What a worker said of its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// What can be shown; nothing where it said nothing of it.
    pub(crate) words: Option<String>,
    /// Whether it had no memory left.
    pub(crate) of_memory: bool,
}

impl LastWords {
    /// Takes a line, which has been made printable.
    pub(crate) fn heard(&self, line: &str) {
        let mut lines = self.0.borrow_mut();
        if lines.len() == LINES_KEPT {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    /// What they say of its end.
    pub(crate) fn said(&self) -> Said {
        let lines = self.0.borrow();
        let speaks = |line: &&String, of: &[&str]| of.iter().any(|words| line.contains(words));
        let told: Vec<_> = lines
            .iter()
            .filter(|line| speaks(line, &OF_AN_END) || speaks(line, &OF_MEMORY))
            .map(|line| without_directory(line))
            .collect();
        let of_memory = lines.iter().any(|line| speaks(&line, &OF_MEMORY));
        let words = (!told.is_empty()).then(|| cut(&told.join("; ")));
        Said { words, of_memory }
    }
}

/// The same line without the directory in which its source was built: "ggml.c:42: ...".
fn without_directory(line: &str) -> &str {
    let place = line.find(": ").and_then(|end| line.get(..end));
    let name = place.filter(|place| !place.contains(' ')).and_then(|place| place.rfind('/'));
    name.and_then(|slash| line.get(slash + 1..)).unwrap_or(line)
}

/// Lines are ASCII by now, so every byte is a border.
fn cut(words: &str) -> String {
    words.get(..WORDS_BYTES_MAX).map_or_else(|| words.to_owned(), |start| format!("{start}..."))
}
