//! `corectl status`.

use core_client::{
    Status,
    wire::client::status::{SandboxStatus, WorkerState, WorkerStatus},
};

use super::{
    models::{known, short_hash, state_cell},
    session::Target,
};
use crate::{
    failure::{Exit, Failure},
    out::{
        Format, Out, clean,
        style::Style,
        table::{Cell, Table, bytes},
    },
};

/// Spaces in front of a table that stands under a heading.
const INDENT: usize = 2;

/// Shows the state of the broker.
pub(crate) async fn run(target: Target, out: &mut Out) -> Result<Exit, Failure> {
    let status = target.connect().await?.client.status().await?;
    match out.format() {
        Format::Json => out.json(&status).await?,
        Format::Human => out.own_text(&page(&status, out.style)).await?,
    }
    Ok(Exit::Done)
}

/// The whole page.
pub(super) fn page(status: &Status, style: Style) -> String {
    let mut page = broker(status, style);
    page += &section("Workers", status.workers.len(), &workers(status), style);
    page += &section("Models", status.models.len(), &models(status), style);
    page
}

fn broker(status: &Status, style: Style) -> String {
    let broker = &status.broker;
    let queue = &status.queue;
    let requests = &status.requests;
    let memory = &status.memory;
    let state = match broker.draining {
        true => style.odd("draining"),
        false => style.good("serving"),
    };
    format!(
        "{} {} {state}, pid {}, uid {}, up {}, {}\n  \
         sessions {}, waiting {} (interactive {}, normal {}, batch {})\n  \
         requests: {} done, {} failed, {} cancelled, {} resumed; log lines dropped: {}\n  \
         memory: workers were granted {} of {}; saved contexts take {}\n",
        style.heading("Broker"),
        clean::line(&broker.version),
        broker.pid,
        broker.uid,
        duration(broker.uptime_ms),
        bytes(broker.rss_bytes),
        status.sessions,
        queue.depth,
        queue.interactive,
        queue.normal,
        queue.batch,
        requests.done,
        requests.failed,
        requests.cancelled,
        requests.resumed,
        broker.log_lines_dropped,
        bytes(memory.granted_bytes),
        bytes(memory.budget_bytes),
        bytes(memory.saved_bytes),
    )
}

fn section(name: &str, rows: usize, table: &Table, style: Style) -> String {
    match rows {
        0 => format!("{}: none\n", style.heading(name)),
        _ => format!("{}\n{}", style.heading(name), table.show(INDENT, style)),
    }
}

fn workers(status: &Status) -> Table {
    let mut table = Table::new(&[
        "PID", "MODEL", "STATE", "SLOTS", "MEMORY", "RESTARTS", "SANDBOX", "CALLS", "DEGRADED",
    ]);
    for worker in &status.workers {
        let sandbox = &worker.sandbox;
        table.row([
            Cell::number(worker.pid),
            Cell::text(&worker.model),
            worker_state(worker),
            Cell::number(format!("{}/{}", worker.active, worker.slots)),
            Cell::number(bytes(worker.rss_bytes)),
            Cell::number(worker.restarts),
            verified(sandbox),
            Cell::number(sandbox.seccomp_serve),
            degraded(sandbox),
        ]);
    }
    table
}

fn worker_state(worker: &WorkerStatus) -> Cell {
    match worker.state {
        WorkerState::Ready | WorkerState::Draining if worker.outdated => Cell::odd("old file"),
        WorkerState::Loading => Cell::odd("loading"),
        WorkerState::Ready => Cell::good("ready"),
        WorkerState::Draining => Cell::odd("draining"),
    }
}

fn verified(sandbox: &SandboxStatus) -> Cell {
    match sandbox.verified {
        true => Cell::good("✓ verified"),
        false => Cell::odd("… not yet"),
    }
}

fn degraded(sandbox: &SandboxStatus) -> Cell {
    match sandbox.degraded.as_slice() {
        [] => Cell::text("nothing"),
        missing => Cell::odd(missing.join(" ")),
    }
}

fn models(status: &Status) -> Table {
    let mut table = Table::new(&["MODEL", "STATE", "SIZE", "CONTEXT", "SHA-256", "NOTE"]);
    for model in &status.models {
        table.row([
            Cell::text(&model.id),
            state_cell(model.state),
            Cell::number(bytes(model.size_bytes)),
            Cell::number(known(model.n_ctx.into(), |n| n.to_string())),
            Cell::text(short_hash(model.sha256.as_deref())),
            Cell::text(model.reason.as_deref().unwrap_or("")),
        ]);
    }
    table
}

/// The two largest units of a time.
pub(super) fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}
