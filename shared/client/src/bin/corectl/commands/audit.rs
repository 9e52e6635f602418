//! `corectl audit`: what protects each process, and how that is known.

use core_client::{AuditProcess, AuditRow};
use serde::Serialize;

use super::session::Target;
use crate::{
    failure::{Exit, Failure},
    out::{
        Format, Out, clean,
        style::Style,
        table::{Cell, Table},
    },
};

/// Spaces in front of a table that stands under a heading.
const INDENT: usize = 2;

/// Name and version of a line of `--json`: fields may be added under it, none may change.
const RECORD: &str = "core-audit/1";

/// A line of `--json`: one process, in a form that can be kept and read again.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    record: &'static str,
    /// Whether every required protection of this process was seen to hold.
    complete: bool,
    #[serde(flatten)]
    process: &'a AuditProcess,
}

impl<'a> Line<'a> {
    pub(super) fn of(process: &'a AuditProcess) -> Self {
        let complete = exit(std::slice::from_ref(process)) == Exit::Done;
        Self { record: RECORD, complete, process }
    }
}

/// Shows every protection of every process.
pub(crate) async fn run(target: Target, out: &mut Out) -> Result<Exit, Failure> {
    let processes = target.connect().await?.client.audit().await?;
    for process in &processes {
        match out.format() {
            Format::Json => out.json(&Line::of(process)).await?,
            Format::Human => out.own_text(&page(process, out.style)).await?,
        }
    }
    if out.format() == Format::Human {
        out.own_text(&verdict(&processes, out.style)).await?;
    }
    Ok(exit(&processes))
}

/// Done only when every required protection is there. No process, or one without a row, proves
/// nothing, and is no success.
pub(super) fn exit(processes: &[AuditProcess]) -> Exit {
    let proven = |process: &AuditProcess| !process.rows.is_empty();
    match processes.is_empty() || !processes.iter().all(proven) || missing(processes) > 0 {
        true => Exit::Failed,
        false => Exit::Done,
    }
}

fn missing(processes: &[AuditProcess]) -> usize {
    let rows = processes.iter().flat_map(|process| &process.rows);
    rows.filter(|row| row.required && !row.achieved).count()
}

fn verdict(processes: &[AuditProcess], style: Style) -> String {
    let line = match (exit(processes), missing(processes)) {
        (Exit::Done, _) => style.good("✓ nothing required is missing"),
        (_, 0) => style.bad("✗ the broker shows no proof for some process"),
        (_, 1) => style.bad("✗ 1 required protection is missing"),
        (_, more) => style.bad(&format!("✗ {more} required protections are missing")),
    };
    format!("{line}\n")
}

/// One process.
pub(super) fn page(process: &AuditProcess, style: Style) -> String {
    let mut table = Table::new(&["PROTECTION", "NEED", "STATE", "SEEN", "HOW IT IS KNOWN"]);
    for row in &process.rows {
        table.row([
            Cell::text(&row.name),
            Cell::text(if row.required { "required" } else { "wanted" }),
            state(row),
            Cell::text(&row.value),
            Cell::text(&row.verified),
        ]);
    }
    let model = process.model.as_deref();
    let model = model.map(|id| format!(", model {id}")).unwrap_or_default();
    let title = format!("{} {}{model}", process.role, process.pid);
    let title = style.heading(&clean::line(&title));
    format!("{title}\n{}", table.show(INDENT, style))
}

fn state(row: &AuditRow) -> Cell {
    match (row.achieved, row.required) {
        (true, _) => Cell::good("✓ holds"),
        (false, true) => Cell::bad("✗ missing"),
        (false, false) => Cell::odd("! degraded"),
    }
}
