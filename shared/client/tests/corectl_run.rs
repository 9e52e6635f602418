//! `corectl run` against a broker of a few lines: what it prints, and what ends it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod fake;

use std::{
    io::{Read, Seek},
    time::Duration,
};

use core_client::{
    Code, Event, FinishReason, Refusal,
    wire::{client::Request, ids::RequestId},
};
use fake::{
    Fake, PATIENCE, Peer,
    process::{answered, corectl, ended, finished, stderr, stdout},
    token_event,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
    time::{sleep, timeout},
};

/// Tokens of a stream whose reader has gone, and the time between two of them: together longer than
/// a loaded machine takes to start a program.
const MORE_TOKENS: u32 = 25;
const NEXT_TOKEN: Duration = Duration::from_millis(20);
/// How long corectl usually needs to fill its pipe; when it needs longer the test asks for less.
const STUCK_AFTER: Duration = Duration::from_millis(300);

#[tokio::test]
async fn run_prints_the_lines_of_the_contract() {
    let arguments = ["--json", "run", "tiny", "The sea", "-n", "2", "--seed", "4", "--stop", "."];
    let mut logprob = token_event(6, " b\"");
    if let Event::Token { logprob, .. } = &mut logprob {
        *logprob = Some(-0.5);
    }
    let queued = Event::Queued { position: 3, wait_ms: None };
    let events = vec![queued, token_event(5, "\u{1b}a"), logprob, finished(FinishReason::Length)];
    let (request, output) = answered(&arguments, events).await;
    let expected = concat!(
        r#"{"event":"queued","position":3}"#,
        "\n",
        r#"{"event":"token","id":5,"text":"\u001ba"}"#,
        "\n",
        r#"{"event":"token","id":6,"text":" b\"","logprob":-0.5}"#,
        "\n",
        r#"{"event":"done","finish_reason":"length","#,
        r#""usage":{"prompt_tokens":3,"cached_tokens":1,"completion_tokens":2},"#,
        r#""timings":{"queue_ms":0.5,"prefill_ms":2.0,"decode_ms":10.0}}"#,
        "\n",
    );
    assert_eq!(stdout(&output), expected);
    assert_eq!(output.status.code(), Some(0));
    let Request::Generate(generate) = request else { panic!("{request:?}") };
    assert_eq!(generate.params.max_tokens, 2);
    assert_eq!(generate.params.seed, Some(4));
    assert_eq!(generate.params.stop, ["."]);
}

#[tokio::test]
async fn a_pipe_gets_the_text_and_nothing_else() {
    let events =
        vec![token_event(5, "\u{1b}[31ma"), token_event(6, "b"), finished(FinishReason::Stop)];
    let (_, output) = answered(&["run", "tiny", "x"], events).await;
    assert_eq!(stdout(&output), "\u{1b}[31mab");
    assert!(stderr(&output).contains("[stop: 2 tokens, 100.0 tok/s"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test]
async fn both_streams_in_one_file_do_not_run_together() {
    let mut both = tempfile::tempfile().unwrap();
    let fake = Fake::new();
    let mut command = corectl(&fake, &["run", "tiny", "x"]);
    command.stdout(both.try_clone().unwrap());
    command.stderr(both.try_clone().unwrap());
    let child = command.spawn().unwrap();
    let mut peer = fake.accept().await;
    let id = peer.receive().await.id;
    peer.send(&id, Event::Queued { position: 0, wait_ms: None }).await;
    peer.send(&id, token_event(5, "ab")).await;
    peer.send(&id, finished(FinishReason::Stop)).await;
    ended(child).await;
    both.rewind().unwrap();
    let mut text = String::new();
    both.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("ab\n[stop: 2 tokens"), "{text:?}");
}

#[tokio::test]
async fn a_refusal_is_a_line_and_exit_code_1() {
    let refusal = || Event::Error(Refusal::new(Code::QueueFull, "64 wait").after(20));
    let (_, output) = answered(&["--json", "run", "tiny", "x"], vec![refusal()]).await;
    let expected = concat!(
        r#"{"event":"error","code":20,"name":"QUEUE_FULL","#,
        r#""retry_after_ms":20,"message":"64 wait"}"#,
        "\n"
    );
    assert_eq!(stdout(&output), expected);
    assert_eq!(output.status.code(), Some(1));
    let (_, output) = answered(&["run", "tiny", "x"], vec![refusal()]).await;
    assert_eq!(stdout(&output), "");
    let said = "corectl: error: QUEUE_FULL: 64 wait (try again in 20 ms)\n";
    assert_eq!(stderr(&output), said);
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test]
async fn a_broker_that_goes_away_is_exit_code_69() {
    let fake = Fake::new();
    let child = corectl(&fake, &["--json", "run", "tiny", "x"]).spawn().unwrap();
    let mut peer = fake.accept().await;
    let id = peer.receive().await.id;
    peer.send(&id, token_event(1, "a")).await;
    drop(peer);
    let output = ended(child).await;
    let lines: Vec<&str> = stdout(&output).lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].starts_with(r#"{"event":"error","code":60,"name":"INTERNAL","#), "{lines:?}");
    assert_eq!(output.status.code(), Some(69));
}

/// Starts a request, and waits until its first token has been printed.
async fn running(fake: &Fake) -> (Child, Peer, RequestId) {
    let mut child = corectl(fake, &["--json", "run", "tiny", "x"]).spawn().unwrap();
    let mut peer = fake.accept().await;
    let id = peer.receive().await.id;
    peer.send(&id, token_event(1, "a")).await;
    let mut line = String::new();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap());
    timeout(PATIENCE, lines.read_line(&mut line)).await.unwrap().unwrap();
    assert_eq!(line, "{\"event\":\"token\",\"id\":1,\"text\":\"a\"}\n");
    (child, peer, id)
}

fn interrupt(child: &Child) {
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    kill(Pid::from_raw(pid), Signal::SIGINT).unwrap();
}

#[tokio::test]
async fn an_interrupt_cancels_and_is_exit_code_2() {
    let fake = Fake::new();
    let (child, mut peer, id) = running(&fake).await;
    interrupt(&child);
    let (_, target) = peer.receive_cancel().await;
    assert_eq!(target, id.as_str());
    peer.send(&id, finished(FinishReason::Cancelled)).await;
    let output = ended(child).await;
    assert!(stdout(&output).contains(r#""finish_reason":"cancelled""#), "{}", stdout(&output));
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn a_second_interrupt_waits_for_nobody() {
    let fake = Fake::new();
    let (child, mut peer, _) = running(&fake).await;
    interrupt(&child);
    peer.receive_cancel().await;
    interrupt(&child);
    let output = ended(child).await;
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn an_interrupt_is_heard_while_standard_output_is_stuck() {
    let fake = Fake::new();
    let (child, mut peer, id) = running(&fake).await;
    // More than a pipe holds, and less than the buffers on the way there.
    let events = (0..4000).map(|n| token_event(n, "abc")).collect();
    peer.send_at_once(&id, events).await;
    sleep(STUCK_AFTER).await;
    interrupt(&child);
    let (_, target) = peer.receive_cancel().await;
    assert_eq!(target, id.as_str());
    interrupt(&child);
    assert_eq!(ended(child).await.status.code(), Some(2));
}

#[tokio::test]
async fn a_closed_pipe_cancels_quietly() {
    let fake = Fake::new();
    let (mut child, mut peer, id) = running(&fake).await;
    drop(child.stdout.take());
    // A process that another test is just starting has a copy of the pipe until it runs its
    // program, so the pipe may take some more, and only who writes again learns that it is closed.
    for n in 2..2 + MORE_TOKENS {
        peer.send(&id, token_event(n, "b")).await;
        sleep(NEXT_TOKEN).await;
    }
    let (_, target) = peer.receive_cancel().await;
    assert_eq!(target, id.as_str());
    peer.send(&id, finished(FinishReason::Cancelled)).await;
    let output = ended(child).await;
    assert_eq!(stderr(&output), "");
    assert_eq!(output.status.code(), Some(2));
}
