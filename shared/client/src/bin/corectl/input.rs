//! What comes from standard input, and from files that are named.

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    path::Path,
};

use core_client::wire::limits::CLIENT_FRAME_BYTES_MAX;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Stdin};

use crate::failure::Failure;

/// The text that was typed, or else all of standard input without its last newline: what `echo`
/// adds is not meant.
pub(crate) fn text_or_stdin(typed: Option<String>) -> Result<String, Failure> {
    match typed {
        Some(text) => Ok(text),
        None => read_all(io::stdin().lock()),
    }
}

/// Whether somebody types.
pub(crate) fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Reads text to its end, without its last newline; more than a frame can carry is refused before
/// it is read.
pub(crate) fn read_all(input: impl Read) -> Result<String, Failure> {
    let name = "standard input";
    let text = read(input, name, CLIENT_FRAME_BYTES_MAX)?;
    let mut text = text.ok_or_else(|| too_long(name))?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

/// Reads a file as it is; `None` when it holds more than `bytes_max`.
pub(crate) fn read_file(path: &Path, bytes_max: usize) -> Result<Option<String>, Failure> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| unreadable(&name, &error))?;
    read(file, &name, bytes_max)
}

fn read(input: impl Read, name: &str, bytes_max: usize) -> Result<Option<String>, Failure> {
    let mut bytes = Vec::new();
    let most = bytes_max as u64 + 1;
    input.take(most).read_to_end(&mut bytes).map_err(|error| unreadable(name, &error))?;
    if bytes.len() > bytes_max {
        return Ok(None);
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::Usage(format!("{name} is no UTF-8 text after byte {at}"))
    })?;
    Ok(Some(text))
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    Failure::Usage(format!("{name} cannot be read: {error}"))
}

/// Lines of standard input, for a conversation.
pub(crate) struct Lines(BufReader<Stdin>);

impl Lines {
    /// Starts to read.
    pub(crate) fn new() -> Self {
        Self(BufReader::new(tokio::io::stdin()))
    }

    /// The next line without its newline, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, Failure> {
        let mut line = String::new();
        let most = CLIENT_FRAME_BYTES_MAX as u64 + 1;
        let read = (&mut self.0).take(most).read_line(&mut line).await;
        match read {
            Ok(0) => Ok(None),
            Ok(bytes) if bytes > CLIENT_FRAME_BYTES_MAX => {
                Err(too_long("a line of standard input"))
            }
            Ok(_) => Ok(Some(line.trim_end_matches(['\n', '\r']).into())),
            Err(error) => {
                Err(Failure::Usage(format!("standard input cannot be read as text: {error}")))
            }
        }
    }
}

fn too_long(name: &str) -> Failure {
    Failure::Usage(format!(
        "{name} holds more than {CLIENT_FRAME_BYTES_MAX} bytes, which is all that one request may \
         carry"
    ))
}
