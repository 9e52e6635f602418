//! `corectl` at a terminal: what it shows of a hostile model, and what it adds for people.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod fake;

use std::{
    fs::File,
    io::Read,
    os::fd::OwnedFd,
    process::Stdio,
    thread::{self, JoinHandle},
};

use core_client::{
    AuditProcess, AuditRow, Event, FinishReason, ModelInfo, ModelState, wire::client::ClientFrame,
};
use fake::{
    Fake, PATIENCE,
    process::{corectl, finished},
    token_event,
};
use nix::pty::openpty;
use tokio::{process::Child, time::timeout};

/// Runs a command whose three streams are a terminal, against a broker that answers with `events`;
/// gives all that the terminal was sent.
async fn shown(arguments: &[&str], events: Vec<Event>) -> String {
    let fake = Fake::new();
    let (child, reader) = start(&fake, arguments);
    let mut peer = fake.accept().await;
    let ClientFrame { id, .. } = peer.receive().await;
    for event in events {
        peer.send(&id, event).await;
    }
    finish(child).await;
    reader.join().unwrap()
}

fn start(fake: &Fake, arguments: &[&str]) -> (Child, JoinHandle<String>) {
    let pty = openpty(None, None).unwrap();
    let end = || Stdio::from(pty.slave.try_clone().unwrap());
    let mut command = corectl(fake, arguments);
    command.env("TERM", "xterm-256color");
    command.stdin(end()).stdout(end()).stderr(end());
    let child = command.spawn().unwrap();
    (child, thread::spawn(move || read(pty.master)))
}

/// All that a terminal was sent until its last user closed it.
fn read(master: OwnedFd) -> String {
    let mut text = Vec::new();
    // A terminal without users is an error to read, and that is its end.
    let _end = File::from(master).read_to_end(&mut text);
    String::from_utf8(text).unwrap()
}

async fn finish(mut child: Child) {
    let status = timeout(PATIENCE, child.wait()).await;
    status.expect("corectl ends in time").unwrap();
}

#[tokio::test]
async fn escapes_of_a_model_are_shown_and_not_obeyed() {
    let hostile = "a\u{1b}]0;owned\u{7}\u{9b}2Jb\nc";
    let events = vec![token_event(1, hostile), finished(FinishReason::Stop)];
    let text = shown(&["run", "tiny", "x"], events).await;
    assert!(text.contains("a\u{241b}]0;owned\u{2407}\u{fffd}2Jb\r\nc\r\n"), "{text:?}");
    assert!(text.ends_with("queue 0 ms, prefill 2 ms]\r\n"), "{text:?}");
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{9b}']), "{text:?}");
}

#[tokio::test]
async fn what_a_broker_says_is_cleaned_too() {
    let refusal = core_client::Refusal::new(core_client::Code::ModelLoad, "bad\u{1b}[2J\nfile");
    let text = shown(&["run", "tiny", "x"], vec![Event::Error(refusal)]).await;
    assert!(text.contains("MODEL_LOAD: bad\u{241b}[2J\u{240a}file"), "{text:?}");
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_told_on_a_line_of_its_own() {
    let refusal = core_client::Refusal::new(core_client::Code::WorkerLost, "gone");
    let events = vec![token_event(1, "half a"), Event::Error(refusal)];
    let text = shown(&["run", "tiny", "x"], events).await;
    assert!(text.starts_with("half a\r\ncorectl: "), "{text:?}");
}

#[tokio::test]
async fn waiting_has_a_line_that_goes_away() {
    let queued = Event::Queued { position: 3, wait_ms: Some(3_200) };
    let events = vec![queued, token_event(1, "a"), finished(FinishReason::Stop)];
    let text = shown(&["run", "tiny", "x"], events).await;
    let (before, after) = text.split_once("3 in front, about 4 s").expect("it is told");
    assert!(!before.contains('a') && after.contains("a\r\n[stop: "), "{text:?}");
    assert!(!after.contains("in front"), "{text:?}");
}

#[tokio::test]
async fn a_pause_leaves_the_line_as_it_is() {
    let events = vec![
        token_event(1, "half a "),
        Event::Queued { position: 3, wait_ms: Some(3_200) },
        Event::Progress { fraction: 0.5 },
        Event::Resumed { tokens: 1 },
        token_event(2, "sentence"),
        finished(FinishReason::Stop),
    ];
    let text = shown(&["run", "tiny", "x"], events).await;
    assert!(text.starts_with("half a sentence\r\n[stop: "), "{text:?}");
}

#[tokio::test]
async fn loading_has_a_bar_that_goes_away() {
    let loaded = ModelInfo {
        id: "tiny".into(),
        state: ModelState::Ready,
        n_ctx: 512,
        n_params: 1_100_000,
        architecture: "llama".into(),
        size_bytes: 3 << 20,
        ..ModelInfo::default()
    };
    let events = vec![Event::Progress { fraction: 0.5 }, Event::Loaded(loaded)];
    let text = shown(&["load", "tiny"], events).await;
    assert!(text.contains("loading tiny"), "{text:?}");
    let end = "tiny is ready: llama, 1.1 M parameters, 3.0 MiB, context 512 tokens\r\n";
    assert!(text.ends_with(end), "{text:?}");
}

#[tokio::test]
async fn colour_is_for_terminals_and_words_are_for_all() {
    let row = AuditRow {
        name: "landlock.fs".into(),
        required: true,
        achieved: false,
        ..AuditRow::default()
    };
    let process = AuditProcess { pid: 7, role: "worker".into(), model: None, rows: vec![row] };
    let text = shown(&["audit"], vec![Event::Audit(vec![process])]).await;
    assert!(text.contains("\u{1b}[1m\u{1b}[31m✗ missing\u{1b}[0m"), "{text:?}");
    assert!(text.contains("✗ 1 required protection is missing"), "{text:?}");
}
