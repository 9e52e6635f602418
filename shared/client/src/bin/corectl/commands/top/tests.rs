//! What somebody sees, cell by cell, and who may leave.

use core_client::{
    ModelState, Status,
    wire::client::{
        deaths::{DeathCause, LastDeath},
        status::{ModelStatus, TokenCounts, WorkerState, WorkerStatus},
    },
};
use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers},
};

use super::{
    draw::draw,
    is_enough,
    view::{Rates, View},
};

/// The lines of a look on a terminal of this size.
fn lines(view: &View, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(view, frame)).unwrap();
    let cells = terminal.backend().buffer().content();
    let line = |cells: &[ratatui::buffer::Cell]| {
        let line: String = cells.iter().map(|cell| cell.symbol()).collect();
        line.trim_end().to_owned()
    };
    cells.chunks(usize::from(width)).map(line).collect()
}

fn worker(pid: u32, model: &str, tokens: u64) -> WorkerStatus {
    let (state, model) = (WorkerState::Ready, model.to_owned());
    WorkerStatus { pid, model, state, slots: 8, active: 2, tokens, ..WorkerStatus::default() }
}

fn model(id: &str, generated: u64) -> ModelStatus {
    let tokens = TokenCounts { generated, ..TokenCounts::default() };
    ModelStatus { id: id.into(), state: ModelState::Ready, tokens, ..ModelStatus::default() }
}

fn busy() -> Status {
    let mut status = Status {
        workers: vec![worker(41, "story", 100), worker(42, "story", 0)],
        models: vec![model("story", 100)],
        ..Status::default()
    };
    status.workers[1].standby = true;
    status.memory.budget_bytes = 4 << 30;
    status.memory.granted_bytes = 1 << 30;
    status.requests.quarantined = 7;
    status
}

fn view(status: Status) -> View {
    View { now_ms: 100_000, ..View::new(status) }
}

#[test]
fn everything_has_its_place() {
    let lines = lines(&view(busy()), 100, 24);
    let all = lines.join("\n");
    assert!(lines[0].starts_with("Broker  serving, pid 0"), "{all}");
    assert!(lines[1].starts_with("memory: workers were granted 1.0 GiB of 4.0 GiB ━"), "{all}");
    assert!(lines[2].contains("(7 quarantined)"), "{all}");
    assert_eq!(lines[4], "workers lost: none", "{all}");
    let row = |words: &str| lines.iter().position(|line| line.contains(words));
    assert!(row("Workers") < row("41 "), "{all}");
    assert!(row("41 ") < row("standby") && row("standby") < row("Models"), "{all}");
    assert!(lines[row("41 ").unwrap()].contains("ready         2/8"), "{all}");
    assert_eq!(lines[23], "q quits", "{all}");
}

#[test]
fn a_quarter_of_the_memory_is_a_quarter_of_the_bar() {
    let line = &lines(&view(busy()), 149, 24)[1];
    let mut terminal = Terminal::new(TestBackend::new(149, 24)).unwrap();
    terminal.draw(|frame| draw(&view(busy()), frame)).unwrap();
    let label = line.chars().take_while(|&c| c != '━').count();
    assert_eq!(label, "memory: workers were granted 1.0 GiB of 4.0 GiB ".len());
    let bold = (label..149).filter(|&x| {
        let cell = &terminal.backend().buffer()[(u16::try_from(x).unwrap(), 1)];
        cell.modifier.contains(ratatui::style::Modifier::BOLD)
    });
    assert_eq!(bold.count(), (149 - label) / 4);
}

#[test]
fn rates_are_differences_by_the_brokers_clock() {
    let (mut before, mut after) = (busy(), busy());
    before.broker.uptime_ms = 1_000;
    after.broker.uptime_ms = 3_000;
    after.workers[0].tokens = 400;
    after.workers[1].pid = 43;
    after.workers[1].tokens = 10;
    after.models[0].tokens.generated = 410;
    let rates = Rates::between(&before, &after);
    assert_eq!(rates.workers, [(41, 150.0), (43, 5.0)].into());
    assert!((rates.all - 155.0).abs() < 1e-9, "{rates:?}");
    let shown = lines(&view(before).next(after.clone()), 100, 24).join("\n");
    assert!(shown.contains("155 tokens/s"), "{shown}");
    // A broker that began anew, and one that answers twice in a millisecond.
    assert_eq!(Rates::between(&after, &busy()).all.to_bits(), 0);
    assert_eq!(Rates::between(&after, &after).all.to_bits(), 0);
}

#[test]
fn what_was_lost_is_told_with_the_last_reason() {
    let mut status = busy();
    status.deaths.killed = 2;
    status.deaths.segfault = 1;
    let death = |cause, reason: &str, at_ms| LastDeath {
        cause,
        code: 40,
        name: "WORKER_LOST".into(),
        model: "story".into(),
        pid: 9,
        reason: reason.into(),
        at_ms,
    };
    status.last_deaths = vec![
        death(DeathCause::Segfault, "long ago", 1_000),
        death(DeathCause::Killed, "bad\u{1b}[2J\nnews", 88_000),
    ];
    let lines = lines(&view(status), 100, 24);
    assert_eq!(lines[4], "workers lost: 1 segfault, 2 killed");
    assert_eq!(lines[5], "  last 12 s ago: story: bad\u{241b}[2J\u{240a}news");
}

#[test]
fn nothing_of_a_model_is_obeyed() {
    let hostile = "evil\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\n";
    let mut status = busy();
    status.broker.version = hostile.into();
    status.workers[0].model = hostile.into();
    status.models[0].id = hostile.into();
    status.models[0].reason = Some(hostile.into());
    let mut terminal = Terminal::new(TestBackend::new(120, 24)).unwrap();
    terminal.draw(|frame| draw(&view(status), frame)).unwrap();
    let text: String =
        terminal.backend().buffer().content().iter().map(|cell| cell.symbol()).collect();
    assert_eq!(text.matches("evil\u{241b}]0;x\u{2407}").count(), 4, "{text}");
    assert!(!text.contains(|c: char| c.is_control() || c == '\u{202e}'), "{text:?}");
}

#[test]
fn any_size_is_drawn() {
    let mut status = busy();
    status.workers = (0..500).map(|pid| worker(pid, "many", 1)).collect();
    status.models = (0..500).map(|n| model(&format!("m{n}"), 1)).collect();
    for (width, height) in [(1, 1), (3, 2), (20, 7), (80, 10), (500, 200)] {
        let shown = lines(&view(status.clone()), width, height);
        assert_eq!(shown.len(), usize::from(height));
    }
    let shown = lines(&view(status.clone()), 100, 30).join("\n");
    assert!(shown.contains("Workers: 8 of 500") && shown.contains("Models: 9 of 500"), "{shown}");
    let empty = lines(&view(Status::default()), 100, 24).join("\n");
    assert!(empty.contains("Workers: none") && empty.contains("Models: none"), "{empty}");
}

#[test]
fn a_broker_that_does_not_answer_is_told() {
    let silent = View { silent_s: 5, ..view(busy()) };
    assert!(lines(&silent, 100, 24)[0].ends_with("no answer for 5 s"));
}

#[test]
fn q_and_control_c_leave() {
    let key = |code, modifiers| Event::Key(KeyEvent::new(code, modifiers));
    assert!(is_enough(&key(KeyCode::Char('q'), KeyModifiers::NONE)));
    assert!(is_enough(&key(KeyCode::Char('c'), KeyModifiers::CONTROL)));
    for other in [
        key(KeyCode::Char('c'), KeyModifiers::NONE),
        key(KeyCode::Char('x'), KeyModifiers::CONTROL),
        key(KeyCode::Enter, KeyModifiers::NONE),
        Event::Resize(3, 4),
    ] {
        assert!(!is_enough(&other), "{other:?}");
    }
}
