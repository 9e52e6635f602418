//! `core-broker probe`: what this kernel offers, said before anything is started.

use std::{
    fs,
    io::{self, IsTerminal, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use core_policy::report::{Achieved, Report, Required, Row};
use serde::Serialize;

use crate::{cli, startup::exit::Exit};

#[cfg(test)]
mod tests;

/// Column widths of the table: the longest name and the two words that follow it.
const NAME_WIDTH: usize = 22;
const NEED_WIDTH: usize = 9;
const STATE_WIDTH: usize = 9;

/// Name and version of a line of `--json`: fields may be added under it, none may change.
const RECORD: &str = "core-probe/1";

/// A line of `--json`: one protection, in a form that can be kept: of which kernel, and when.
#[derive(Debug, Serialize)]
struct Line<'a> {
    record: &'static str,
    /// Milliseconds since the epoch.
    at_ms: u64,
    /// The kernel's release, as `uname -r` prints it.
    kernel: &'a str,
    #[serde(flatten)]
    row: &'a Row,
}

/// Says it, as JSON when that is asked for or nobody watches; the exit code tells whether anything
/// required is missing.
pub fn say(args: &cli::Probe) -> Exit {
    let report = core_policy::probe::probe();
    let mut out = io::stdout().lock();
    let as_json = args.json || !out.is_terminal();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let object = |row| object(&Line { record: RECORD, at_ms, kernel: kernel.trim(), row });
    for row in &report.rows {
        let line = if as_json { object(row) } else { line(row) };
        // The exit code says it as well, should nobody read.
        let _ = writeln!(out, "{line}");
    }
    exit(&report)
}

fn exit(report: &Report) -> Exit {
    if report.missing_required().is_empty() { Exit::Clean } else { Exit::Protection }
}

fn object(line: &Line<'_>) -> String {
    serde_json::to_string(line).expect("a row is plain text and always has a form")
}

fn line(row: &Row) -> String {
    let need = match row.required {
        Required::Required => "required",
        Required::Wanted => "wanted",
    };
    let state = match row.achieved {
        Achieved::Yes => "offered",
        Achieved::Partial => "in part",
        Achieved::No => "missing",
    };
    let (name, value) = (row.name, &row.value);
    format!("{name:NAME_WIDTH$} {need:NEED_WIDTH$} {state:STATE_WIDTH$} {value}")
}
