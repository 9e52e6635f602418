//! A worker or a client that goes away in mid-stream; what many deaths do is in `chaos`.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
};

use core_tests::harness::{Broker, processes};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

/// Tokens of a run: a second and more of them.
const TOKENS: usize = 2000;

/// Starts a long run and waits until its first token was shown.
fn running(broker: &Broker) -> (Child, BufReader<std::process::ChildStdout>) {
    let arguments = ["run", "long", "Once", "-n", &TOKENS.to_string(), "--ignore-eos"];
    let mut child =
        broker.corectl_command(&arguments).stdout(Stdio::piped()).spawn().expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains("\"token\"") {
        line.clear();
        assert!(lines.read_line(&mut line).expect("reads") > 0, "no token came");
    }
    (child, lines)
}

fn rest(lines: BufReader<std::process::ChildStdout>) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(&line.expect("reads")).expect("JSON")).collect()
}

#[test]
fn a_killed_worker_costs_its_streams_a_pause() {
    let broker = Broker::with_long().expect("a broker");
    let worker = broker.load("long");
    let streams: Vec<_> = (0..3).map(|_| running(&broker)).collect();
    kill(Pid::from_raw(worker.cast_signed()), Signal::SIGKILL).expect("the worker runs");
    for (mut child, lines) in streams {
        let rest = rest(lines);
        let others: Vec<_> = rest.iter().filter(|line| line["event"] != "token").collect();
        let (last, before) = others.split_last().expect("a terminal line");
        assert!(before.iter().all(|line| line["event"] == "queued"), "{before:?}");
        assert_eq!((&last["event"], &last["finish_reason"]), (&"done".into(), &"length".into()));
        assert_eq!(last["usage"]["completion_tokens"], TOKENS);
        // The first was read by `running`.
        assert_eq!(rest.len() - others.len() + 1, TOKENS, "none is missing, none came twice");
        assert_eq!(child.wait().expect("ends").code(), Some(0));
    }
    let again = broker.corectl(&["run", "long", "Once", "-n", "4"]);
    assert_eq!(again.code, 0, "{again:?}");
    assert_ne!(broker.worker("long"), Some(worker));
}

#[test]
fn a_client_that_goes_away_leaves_nothing_behind() {
    let broker = Broker::with_long().expect("a broker");
    broker.load("long");
    let (mut child, _lines) = running(&broker);
    child.kill().expect("runs");
    child.wait().expect("ends");
    let idle = || {
        let status = broker.corectl(&["status"]).lines.remove(0);
        (status["workers"][0]["active"] == 0).then_some(())
    };
    let limit = std::time::Duration::from_secs(5);
    assert!(processes::wait_for(limit, idle).is_some(), "its request still runs");
}

#[test]
fn an_interrupted_corectl_cancels_and_says_so() {
    let broker = Broker::with_long().expect("a broker");
    broker.load("long");
    let (mut child, lines) = running(&broker);
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).expect("runs");
    let rest = rest(lines);
    let last = rest.last().expect("a terminal line");
    assert_eq!((&last["event"], &last["finish_reason"]), (&"done".into(), &"cancelled".into()));
    assert_eq!(child.wait().expect("ends").code(), Some(2));
}
