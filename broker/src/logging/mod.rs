//! Log lines on standard error that never hold up the broker.
//!
//! Standard error belongs to whoever started the broker, usually a pipe that somebody reads when it
//! suits them. So each line is one write of at most `PIPE_BUF` bytes after a poll said that it
//! fits, and a line that does not fit is dropped and counted. The descriptor's flags are left
//! alone: they are shared with every other process that holds it.
//!
//! What may be logged: ids, numbers, paths, error codes. Never a prompt, a token or a secret; the
//! types that hold one have a debug form that tells nothing.

#![forbid(unsafe_code)]

mod line;
#[cfg(test)]
mod tests;

use std::{
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tracing::level_filters::LevelFilter;

use self::line::{Lines, Outcome, offer};
use crate::cli::LogFormat;

/// How many log lines nobody read in time; `status` shows it.
#[derive(Clone, Debug, Default)]
pub struct LogStats(Arc<AtomicU64>);

impl LogStats {
    /// Lines that were dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Starts logging for the whole process; a second call changes nothing.
pub fn start(format: LogFormat) -> LogStats {
    let stats = LogStats::default();
    let lines = Lines::new(format, stats.clone());
    let shape = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::INFO)
        .log_internal_errors(false)
        .with_target(false)
        // Whatever features another crate of the same build asked for: a pipe is no terminal.
        .with_ansi(false)
        .with_writer(lines);
    // A second subscriber can only come from a test; the first one stays.
    let _ = match format {
        LogFormat::Text => tracing::subscriber::set_global_default(shape.finish()),
        LogFormat::Json => {
            tracing::subscriber::set_global_default(shape.json().flatten_event(true).finish())
        }
    };
    report_panics(stats.clone());
    stats
}

/// Writes one sentence as it is, before logging has started or when the process ends.
pub fn say(sentence: &str) {
    let line = format!("core-broker: {sentence}\n");
    let bytes = line::cut(line.as_bytes(), LogFormat::Text);
    // There is nobody else to tell.
    let _ = offer(std::io::stderr().as_fd(), &bytes);
}

/// A panic tells where and nothing else: its text may hold what was being worked on.
fn report_panics(stats: LogStats) {
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let line = format!("core-broker: panic at {place}\n");
        if offer(std::io::stderr().as_fd(), line.as_bytes()) == Outcome::Dropped {
            stats.count();
        }
    }));
}
