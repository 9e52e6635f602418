//! `corectl status`.

use std::time::{SystemTime, UNIX_EPOCH};

use core_client::{
    Status,
    wire::client::status::{ModelStatus, SandboxStatus, WorkerState, WorkerStatus},
};

use super::{
    deaths,
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
        Format::Human => out.own_text(&page(&status, epoch_ms(), out.style)).await?,
    }
    Ok(Exit::Done)
}

/// The whole page, as of `now_ms` milliseconds since the epoch.
pub(super) fn page(status: &Status, now_ms: u64, style: Style) -> String {
    let mut page = broker(status, style);
    page += &section("Workers", status.workers.len(), &workers(status), style);
    page += &section("Models", status.models.len(), &models(status), style);
    let lost = deaths::table(status, now_ms);
    page + &section("Workers lost", status.last_deaths.len(), &lost, style)
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
         sessions {}, detached requests {}; waiting {} (interactive {}, normal {}, batch {})\n  \
         requests: {} done, {} failed ({} quarantined), {} cancelled; {} resumed; \
         log lines dropped: {}\n  \
         memory: workers were granted {} of {}; saved contexts take {}\n",
        style.heading("Broker"),
        clean::line(&broker.version),
        broker.pid,
        broker.uid,
        duration(broker.uptime_ms),
        bytes(broker.rss_bytes),
        status.sessions,
        status.detached,
        queue.depth,
        queue.interactive,
        queue.normal,
        queue.batch,
        requests.done,
        requests.failed,
        requests.quarantined,
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
    let word = worker_word(worker);
    match worker.state {
        WorkerState::Ready if !worker.outdated => Cell::good(word),
        WorkerState::Loading | WorkerState::Ready | WorkerState::Draining => Cell::odd(word),
    }
}

/// What a worker is doing, in a word or two.
pub(super) fn worker_word(worker: &WorkerStatus) -> &'static str {
    match worker.state {
        WorkerState::Ready | WorkerState::Draining if worker.outdated => "old file",
        WorkerState::Loading => "loading",
        WorkerState::Ready if worker.standby => "standby",
        WorkerState::Ready => "ready",
        WorkerState::Draining => "draining",
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
            Cell::text(note(model)),
        ]);
    }
    table
}

/// Why a model failed, and when it is tried again.
pub(super) fn note(model: &ModelStatus) -> String {
    match (&model.reason, model.retry_ms) {
        (None, _) => String::new(),
        (Some(reason), None) => reason.clone(),
        (Some(reason), Some(0)) => format!("{reason} (tried again for the next request)"),
        (Some(reason), Some(ms)) => {
            format!("{reason} (not tried again for {})", duration(ms.saturating_add(999)))
        }
    }
}

/// Milliseconds since the epoch; 0 on a clock before it.
pub(super) fn epoch_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
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
