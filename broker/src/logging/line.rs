//! One line, one write.

use std::{
    borrow::Cow,
    io::{self, Write},
    os::fd::{AsFd, BorrowedFd},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing_subscriber::fmt::MakeWriter;

use super::LogStats;
use crate::cli::LogFormat;

/// Bytes that a pipe takes whole once poll says that it is writable: `PIPE_BUF` of pipe(7).
pub(super) const LINE_BYTES_MAX: usize = 4096;
/// What stands at the end of a text line that was cut.
const CUT: &[u8] = b" [cut]\n";
/// What stands for a JSON line that was too long: half an object is no object.
const CUT_JSON: &[u8] = b"{\"level\":\"WARN\",\"message\":\"a log line was too long\"}\n";

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was written.
    Written,
    /// Nobody had room for it.
    Dropped,
}

/// Makes a writer for each event.
#[derive(Debug)]
pub(super) struct Lines {
    format: LogFormat,
    stats: LogStats,
}

impl Lines {
    pub(super) fn new(format: LogFormat, stats: LogStats) -> Self {
        Self { format, stats }
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Lines;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// tracing-subscriber hands a whole event to one call of `write_all`, and this takes all of it.
impl Write for &Lines {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = cut(event, self.format);
        if offer(io::stderr().as_fd(), &line) == Outcome::Dropped {
            self.stats.count();
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Shortens a line to what one write takes.
pub(super) fn cut(event: &[u8], format: LogFormat) -> Cow<'_, [u8]> {
    if event.len() <= LINE_BYTES_MAX {
        return Cow::Borrowed(event);
    }
    match format {
        LogFormat::Json => Cow::Borrowed(CUT_JSON),
        LogFormat::Text => {
            let head = String::from_utf8_lossy(&event[..LINE_BYTES_MAX - CUT.len() - 3]);
            // A character cut in two became a replacement character of three bytes at most.
            Cow::Owned([head.as_bytes(), CUT].concat())
        }
    }
}

/// Writes a line if it fits at once.
pub(super) fn offer(to: BorrowedFd<'_>, line: &[u8]) -> Outcome {
    let mut set = [PollFd::new(to, PollFlags::POLLOUT)];
    let ready = poll(&mut set, PollTimeout::ZERO);
    let fits = set[0].revents().is_some_and(|seen| seen.contains(PollFlags::POLLOUT));
    if ready.is_err() || !fits {
        return Outcome::Dropped;
    }
    match nix::unistd::write(to, line) {
        Ok(written) if written == line.len() => Outcome::Written,
        _ => Outcome::Dropped,
    }
}
