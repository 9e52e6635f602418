//! Workers that were lost, as `corectl status` explains them.

use core_client::{Status, wire::client::deaths::LastDeath};

use super::status::duration;
use crate::out::table::{Cell, Table};

/// One row for each cause, with the last of it.
pub(super) fn table(status: &Status, now_ms: u64) -> Table {
    let mut table = Table::new(&["CAUSE", "TIMES", "CODE", "LAST", "PID", "MODEL", "REASON"]);
    for death in &status.last_deaths {
        table.row([
            Cell::odd(death.cause.name()),
            Cell::number(status.deaths.of(death.cause)),
            Cell::text(&death.name),
            Cell::text(ago(death.at_ms, now_ms)),
            Cell::number(death.pid),
            Cell::text(model(death)),
            Cell::text(&death.reason),
        ]);
    }
    table
}

/// What it served; a worker that only looked at a file served nothing.
pub(super) fn model(death: &LastDeath) -> &str {
    if death.model.is_empty() { "-" } else { &death.model }
}

/// How long ago something was; both clocks are of one machine, but one of them may have been set.
pub(super) fn ago(at_ms: u64, now_ms: u64) -> String {
    format!("{} ago", duration(now_ms.saturating_sub(at_ms)))
}
