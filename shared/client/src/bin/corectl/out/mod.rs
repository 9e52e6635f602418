//! What is printed, and for whom: people at a terminal, pipes, or programs that read JSON.

pub(crate) mod clean;
pub(crate) mod json;
pub(crate) mod style;
pub(crate) mod table;
#[cfg(test)]
mod tests;

use std::{
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
};

use core_client::RequestError;
use nix::sys::stat::fstat;
use serde::Serialize;
use tokio::io::{AsyncWriteExt, Stdout};

use self::{json::Line, style::Style};
use crate::failure::{Exit, Failure};

/// Where a command prints to.
pub(crate) struct Out {
    stdout: Stdout,
    format: Format,
    terminal: bool,
    notes: bool,
    /// How standard output may look.
    pub(crate) style: Style,
}

/// For whom the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Somebody who reads.
    Human,
    /// A program: one JSON object per line.
    Json,
}

impl Out {
    /// Prints to the standard streams.
    pub(crate) fn new(format: Format) -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            stdout: tokio::io::stdout(),
            format,
            terminal,
            notes: terminal || streams_are_one(),
            style: Style::of_stdout(),
        }
    }

    /// For whom the answer is.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Whether what is said on standard error shows between the lines of the answer: at a terminal,
    /// and after `2>&1`.
    pub(crate) fn shows_notes(&self) -> bool {
        self.notes
    }

    /// Prints one JSON object as a line.
    pub(crate) async fn json(&mut self, object: &impl Serialize) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(object).map_err(|e| Failure::Output(e.into()))?;
        line.push(b'\n');
        self.write(&line).await
    }

    /// Prints what a model said: to a terminal without control characters, to a pipe as it is.
    pub(crate) async fn model_text(&mut self, text: &str) -> Result<(), Failure> {
        if self.terminal {
            self.write(clean::text(text).as_bytes()).await
        } else {
            self.write(text.as_bytes()).await
        }
    }

    /// Prints what was made here, of parts that are clean.
    pub(crate) async fn own_text(&mut self, text: &str) -> Result<(), Failure> {
        self.write(text.as_bytes()).await
    }

    /// Written and flushed at once: a token must be seen when it comes, and an error be found.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = async {
            self.stdout.write_all(bytes).await?;
            self.stdout.flush().await
        };
        written.await.map_err(Failure::output)
    }

    /// Tells of a failure, and gives the exit code that stands for it.
    pub(crate) async fn failure(&mut self, failure: &Failure) -> Exit {
        match failure {
            Failure::Closed | Failure::Abandoned => {}
            Failure::Request(error) if self.format == Format::Json => {
                let line = Line::error(error);
                // Standard output may be gone too; the exit code says the same.
                let _unread = self.json(&line).await;
            }
            Failure::Request(error) => note_error(&explain(error)),
            other => note_error(&other.to_string()),
        }
        failure.exit()
    }
}

/// Whether both standard streams are the same pipe or file.
fn streams_are_one() -> bool {
    let identity = |fd| fstat(fd).map(|found| (found.st_dev, found.st_ino));
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let stdout = identity(stdout.as_fd());
    stdout.is_ok() && stdout == identity(stderr.as_fd())
}

/// Says something on standard error, cleaned.
pub(crate) fn note(text: &str) {
    let mut stderr = io::stderr().lock();
    // Nobody may read it; there is no better place to say so.
    let _unread = writeln!(stderr, "{}", clean::line(text));
}

/// Says why nothing could be done at all.
pub(crate) fn complain(text: &str, exit: Exit) -> Exit {
    note_error(text);
    exit
}

fn note_error(text: &str) {
    let word = Style::of_stderr().bad("error:");
    let mut stderr = io::stderr().lock();
    // As in `note`.
    let _unread = writeln!(stderr, "corectl: {word} {}", clean::line(text));
}

/// A refusal with what to do about it.
fn explain(error: &RequestError) -> String {
    let RequestError::Refused(refusal) = error else {
        return error.to_string();
    };
    match (refusal.code.retry(), refusal.retry_after_ms) {
        (core_client::wire::code::Retry::Never, _) => refusal.to_string(),
        (_, Some(ms)) => format!("{refusal} (try again in {ms} ms)"),
        (_, None) => format!("{refusal} (try again later)"),
    }
}
