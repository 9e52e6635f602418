//! One look, drawn: a pure function of what is shown.

use core_client::{
    ModelState, Status,
    wire::client::{
        deaths::DeathCause,
        status::{ModelStatus, WorkerState, WorkerStatus},
    },
};
use ratatui::{
    Frame,
    layout::{
        Constraint,
        HorizontalAlignment::{Left, Right},
        Layout, Rect,
    },
    style::{Color, Style, Stylize as _},
    text::{Line, Span},
    widgets::{LineGauge, Paragraph},
};

use super::{
    list::{List, draw_list},
    view::View,
};
use crate::{
    commands::{
        deaths,
        models::{known, state_word},
        status::{duration, note, worker_word},
    },
    out::{clean, table::bytes},
};

/// Lines above the lists: the broker, memory, requests, waiting, deaths, the last of those.
const HEAD: u16 = 6;

/// Lines of a list beside its rows: its name, its heading, and an empty one in front.
const FRINGE: u16 = 3;

/// Draws all of it.
pub(super) fn draw(view: &View, frame: &mut Frame<'_>) {
    let area = frame.area();
    let lists = area.height.saturating_sub(HEAD + 1);
    let wanted = rows(view.status.workers.len()).saturating_add(FRINGE);
    // Half of the space at most, unless the models leave more.
    let left = lists.saturating_sub(rows(view.status.models.len()).saturating_add(FRINGE));
    let workers_height = wanted.min(left.max(lists / 2));
    let [head, workers_area, models_area, foot] = Layout::vertical([
        Constraint::Length(HEAD),
        Constraint::Length(workers_height),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(area);
    draw_head(view, head, frame);
    draw_list("Workers", &workers(view), workers_area, frame);
    draw_list("Models", &models(&view.status), models_area, frame);
    frame.render_widget(Paragraph::new("q quits".dim()), foot);
}

fn rows(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

fn draw_head(view: &View, area: Rect, frame: &mut Frame<'_>) {
    let [first, bar, rest] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(1), Constraint::Fill(1)])
            .areas(area);
    frame.render_widget(Paragraph::new(broker(view)), first);
    frame.render_widget(memory(&view.status), bar);
    frame.render_widget(Paragraph::new(counts(view)), rest);
}

fn broker(view: &View) -> Line<'static> {
    let broker = &view.status.broker;
    let state = match broker.draining {
        true => "draining".yellow(),
        false => "serving".green(),
    };
    let mut line = vec![
        "Broker ".bold(),
        Span::raw(format!("{} ", clean::line(&broker.version))),
        state,
        Span::raw(format!(
            ", pid {}, uid {}, up {}, {}",
            broker.pid,
            broker.uid,
            duration(broker.uptime_ms),
            bytes(broker.rss_bytes)
        )),
    ];
    if view.silent_s > 0 {
        line.push(format!("  no answer for {} s", view.silent_s).red().bold());
    }
    Line::from(line)
}

fn memory(status: &Status) -> LineGauge<'static> {
    let memory = &status.memory;
    let share = memory.granted_bytes as f64 / memory.budget_bytes.max(1) as f64;
    let label = format!(
        "memory: workers were granted {} of {}",
        bytes(memory.granted_bytes),
        bytes(memory.budget_bytes)
    );
    LineGauge::default()
        .label(label)
        .filled_symbol("━")
        .unfilled_symbol("─")
        .filled_style(Style::new().fg(Color::Green).bold())
        .unfilled_style(Style::new().dim())
        .ratio(share.clamp(0.0, 1.0))
}

fn counts(view: &View) -> Vec<Line<'static>> {
    let status = &view.status;
    let (requests, queue) = (&status.requests, &status.queue);
    let done = format!(
        "requests: {} done, {} failed ({} quarantined), {} cancelled; {} resumed; sessions {}, \
         detached {}",
        requests.done,
        requests.failed,
        requests.quarantined,
        requests.cancelled,
        requests.resumed,
        status.sessions,
        status.detached
    );
    let waiting = format!(
        "waiting: interactive {}, normal {}, batch {}; {:.0} tokens/s",
        queue.interactive, queue.normal, queue.batch, view.rates.all
    );
    let mut lines = vec![Line::from(done), Line::from(waiting)];
    lines.extend(lost(view));
    lines
}

/// How many of what, and the last one.
fn lost(view: &View) -> Vec<Line<'static>> {
    let status = &view.status;
    let told = DeathCause::ALL.iter().map(|&cause| (cause.name(), status.deaths.of(cause)));
    let told = told.filter(|&(_, count)| count > 0);
    let told: Vec<_> = told.map(|(name, count)| format!("{count} {name}")).collect();
    let Some(last) = status.last_deaths.iter().max_by_key(|death| death.at_ms) else {
        return vec![Line::from("workers lost: none")];
    };
    let last = format!(
        "  last {}: {}: {}",
        deaths::ago(last.at_ms, view.now_ms),
        clean::line(deaths::model(last)),
        clean::line(&last.reason)
    );
    let told = format!("workers lost: {}", told.join(", "));
    vec![Line::from(told.yellow()), Line::from(last)]
}

fn workers(view: &View) -> List<9> {
    let row = |worker: &WorkerStatus| {
        let word = worker_word(worker);
        let rate = view.rates.workers.get(&worker.pid).copied().unwrap_or(0.0);
        [
            Span::raw(worker.pid.to_string()),
            Span::raw(clean::line(&worker.model)),
            match worker.state {
                WorkerState::Ready if !worker.outdated => word.green(),
                WorkerState::Loading | WorkerState::Ready | WorkerState::Draining => word.yellow(),
            },
            Span::raw(format!("{}/{}", worker.active, worker.slots)),
            Span::raw(format!("{rate:.0}")),
            Span::raw(bytes(worker.rss_bytes)),
            Span::raw(worker.cores.to_string()),
            Span::raw(worker.restarts.to_string()),
            match worker.sandbox.verified {
                true => "verified".green(),
                false => "not yet".yellow(),
            },
        ]
    };
    List {
        columns: [
            ("PID", Constraint::Length(7), Right),
            ("MODEL", Constraint::Fill(1), Left),
            ("STATE", Constraint::Length(8), Left),
            ("SLOTS", Constraint::Length(7), Right),
            ("TOK/S", Constraint::Length(6), Right),
            ("MEMORY", Constraint::Length(8), Right),
            ("CORES", Constraint::Length(5), Right),
            ("RESTARTS", Constraint::Length(8), Right),
            ("SANDBOX", Constraint::Length(8), Left),
        ],
        rows: view.status.workers.iter().map(row).collect(),
    }
}

fn models(status: &Status) -> List<5> {
    let row = |model: &ModelStatus| {
        let color = match model.state {
            ModelState::Ready => Style::new().fg(Color::Green),
            ModelState::Loading | ModelState::Draining => Style::new().fg(Color::Yellow),
            ModelState::Failed => Style::new().fg(Color::Red).bold(),
            ModelState::Unloaded => Style::new(),
        };
        [
            Span::raw(clean::line(&model.id)),
            Span::styled(state_word(model.state), color),
            Span::raw(bytes(model.size_bytes)),
            Span::raw(known(model.n_ctx.into(), |n| n.to_string())),
            Span::raw(clean::line(&note(model))),
        ]
    };
    List {
        columns: [
            ("MODEL", Constraint::Fill(1), Left),
            ("STATE", Constraint::Length(8), Left),
            ("SIZE", Constraint::Length(8), Right),
            ("CONTEXT", Constraint::Length(7), Right),
            ("NOTE", Constraint::Fill(2), Left),
        ],
        rows: status.models.iter().map(row).collect(),
    }
}
