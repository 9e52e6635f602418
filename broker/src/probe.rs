//! `core-broker probe`: what this kernel offers, said before anything is started.

use std::io::{self, IsTerminal, Write};

use core_policy::report::{Achieved, Report, Required, Row};

use crate::{cli, startup::exit::Exit};

#[cfg(test)]
mod tests;

/// Column widths of the table: the longest name and the two words that follow it.
const NAME_WIDTH: usize = 22;
const NEED_WIDTH: usize = 9;
const STATE_WIDTH: usize = 9;

/// Says it, as JSON when that is asked for or nobody watches; the exit code tells whether anything
/// required is missing.
pub fn say(args: &cli::Probe) -> Exit {
    let report = core_policy::probe::probe();
    let mut out = io::stdout().lock();
    let as_json = args.json || !out.is_terminal();
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

fn object(row: &Row) -> String {
    serde_json::to_string(row).expect("a row is plain text and always has a form")
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
