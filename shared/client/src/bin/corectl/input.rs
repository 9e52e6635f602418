//! What comes from standard input.

use std::io::{self, IsTerminal, Read};

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

/// Reads text to its end; more than a frame can carry is refused before it is read.
pub(crate) fn read_all(input: impl Read) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let most = CLIENT_FRAME_BYTES_MAX as u64 + 1;
    let read = input.take(most).read_to_end(&mut bytes);
    read.map_err(|error| Failure::Usage(format!("standard input cannot be read: {error}")))?;
    if bytes.len() > CLIENT_FRAME_BYTES_MAX {
        return Err(too_long());
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::Usage(format!("standard input is no UTF-8 text after byte {at}"))
    })
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
            Ok(bytes) if bytes > CLIENT_FRAME_BYTES_MAX => Err(too_long()),
            Ok(_) => Ok(Some(line.trim_end_matches(['\n', '\r']).into())),
            Err(error) => {
                Err(Failure::Usage(format!("standard input cannot be read as text: {error}")))
            }
        }
    }
}

fn too_long() -> Failure {
    Failure::Usage(format!(
        "standard input holds more than {CLIENT_FRAME_BYTES_MAX} bytes, which is all that one \
         request may carry"
    ))
}
