//! What an operator sees of losses: counters, causes, and when a model is tried again.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use core_tests::harness::{Broker, Install, processes};
use nix::{
    pty::{Winsize, openpty},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::talk::PATIENCE;

/// A word that is in no name and no number.
const PROMPT: &str = "Xylophones";

/// `corectl` for people.
fn corectl(broker: &Broker, command: &str) -> Command {
    let mut corectl = Command::new(broker.install.program("corectl"));
    corectl.env("CORE_SOCKET", broker.install.socket());
    corectl.env("CORE_TOKEN_FILE", broker.install.token_file());
    corectl.arg(command);
    corectl
}

/// What it prints.
fn printed(broker: &Broker, command: &str) -> String {
    let output = corectl(broker, command).output().expect("corectl starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The value of one series.
fn number(metrics: &str, series: &str) -> f64 {
    let value = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let value = value.unwrap_or_else(|| panic!("{series} is not in {metrics}"));
    value.parse().expect("a number")
}

fn run(broker: &Broker, n: &str) {
    let run = broker.corectl(&["run", "story", PROMPT, "-n", n, "--ignore-eos"]);
    assert_eq!(run.code, 0, "{run:?}");
}

fn status(broker: &Broker) -> Value {
    broker.corectl(&["status"]).lines.remove(0)
}

/// Kills the worker and waits until its loss was noticed.
fn lose(broker: &Broker) -> u32 {
    let worker = broker.worker("story").expect("a worker");
    kill(Pid::from_raw(worker.cast_signed()), Signal::SIGKILL).expect("it runs");
    let noticed = || (broker.worker("story") != Some(worker)).then_some(());
    assert!(processes::wait_for(PATIENCE, noticed).is_some(), "nobody notices");
    worker
}

#[test]
fn counters_move_with_what_happens() {
    let broker = Broker::with_story().expect("a broker");
    run(&broker, "20");
    let before = printed(&broker, "metrics");
    lose(&broker);
    run(&broker, "30");
    let bad = broker.corectl(&["run", "nobody", "x"]);
    assert_eq!(bad.code, 1, "{bad:?}");
    let after = printed(&broker, "metrics");
    let moved = |series: &str| number(&after, series) - number(&before, series);
    let moves = [
        ("core_worker_deaths_total{cause=\"killed\"}", 1.0),
        ("core_worker_deaths_total{cause=\"segfault\"}", 0.0),
        ("core_model_restarts_total{model=\"story\"}", 1.0),
        ("core_generated_tokens_total{model=\"story\"}", 30.0),
        ("core_requests_total{end=\"done\"}", 1.0),
        ("core_requests_total{end=\"failed\"}", 1.0),
    ];
    for (series, by) in moves {
        assert!((moved(series) - by).abs() < 1e-9, "{series} moved by {}: {after}", moved(series));
    }
    assert!(moved("core_prompt_tokens_total{model=\"story\"}") > 0.0, "{after}");
    assert!(moved("core_uptime_seconds") > 0.0, "{after}");
    assert!(after.ends_with("\n# EOF\n"), "{after}");
    assert!(!after.contains(PROMPT), "a prompt is told");
}

#[test]
fn a_lost_worker_is_explained() {
    let broker = Broker::with_story().expect("a broker");
    run(&broker, "4");
    let worker = lose(&broker);
    run(&broker, "4");
    let status = status(&broker);
    let death = &status["last_deaths"][0];
    let told = (&death["cause"], &death["code"], &death["name"], &death["pid"], &death["model"]);
    let (cause, name, model) = ("killed".into(), "WORKER_LOST".into(), "story".into());
    assert_eq!(told, (&cause, &40.into(), &name, &worker.into(), &model), "{status}");
    assert!(death["reason"].as_str().is_some_and(|why| why.contains("SIGKILL")), "{status}");
    assert_eq!((&status["deaths"]["killed"], &status["requests"]["done"]), (&1.into(), &2.into()));
    let page = printed(&broker, "status");
    let line = page.lines().find(|line| line.contains("killed")).expect("a line");
    for words in ["WORKER_LOST", "s ago", &worker.to_string(), "SIGKILL"] {
        assert!(line.contains(words), "{words} in {page}");
    }
}

#[test]
fn a_model_that_failed_says_when_it_is_tried_again() {
    let install = Install::new().expect("an installation");
    std::fs::write(install.root().join("models/bad.gguf"), b"GGUF but nothing else").expect("w");
    let broker = Broker::start(install, &[]).expect("a broker");
    assert_eq!(broker.corectl(&["load", "bad"]).code, 1);
    let status = status(&broker);
    let model = &status["models"][0];
    assert_eq!((&model["id"], &model["state"]), (&"bad".into(), &"failed".into()), "{status}");
    assert!(model["reason"].as_str().is_some_and(|why| !why.is_empty()), "{status}");
    assert!(model["retry_ms"].as_u64().is_some_and(|ms| ms <= 500), "{status}");
    assert_eq!(status["deaths"]["load"], 1, "{status}");
    assert!(printed(&broker, "status").contains("tried again"), "{status}");
}

#[test]
fn the_live_view_shows_what_there_is_and_leaves() {
    let broker = Broker::with_story().expect("a broker");
    run(&broker, "4");
    lose(&broker);
    run(&broker, "4");
    let size = Winsize { ws_row: 30, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(Some(&size), None).expect("a terminal");
    let end = || Stdio::from(pty.slave.try_clone().expect("a descriptor"));
    let mut top = corectl(&broker, "top");
    top.env("TERM", "xterm-256color").stdin(end()).stdout(end()).stderr(end());
    let mut top = top.spawn().expect("it starts");
    let mut keys = File::from(pty.master);
    let (mut reader, shown) =
        (keys.try_clone().expect("a descriptor"), Arc::<Mutex<String>>::default());
    let text = shown.clone();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        // Ends with the terminal.
        while let Ok(count @ 1..) = reader.read(&mut bytes) {
            text.lock().expect("no panic").push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    });
    let worker = broker.worker("story").expect("a worker").to_string();
    for words in ["serving", "1 killed", "SIGKILL", &worker, "ready", "verified", "q quits"] {
        let there = || shown.lock().expect("no panic").contains(words).then_some(());
        assert!(processes::wait_for(PATIENCE, there).is_some(), "{words}: {shown:?}");
    }
    keys.write_all(b"q").expect("typed");
    let ended = processes::wait_for(PATIENCE, || top.try_wait().ok().flatten());
    assert!(ended.expect("it ends").success());
}
