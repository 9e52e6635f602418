//! `corectl` as a process.

use std::process::{Output, Stdio};

use core_client::{
    Done, Event, FinishReason, Timings, Usage,
    wire::client::{ClientFrame, Request},
};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use super::{Fake, PATIENCE};

pub(crate) fn corectl(fake: &Fake, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corectl"));
    command.env_clear().env("CORE_SOCKET", fake.socket());
    command.env("CORE_TOKEN_FILE", fake.token_file(0o600));
    command.args(arguments).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) async fn ended(child: Child) -> Output {
    let output = timeout(PATIENCE, child.wait_with_output()).await;
    output.expect("corectl ends in time").unwrap()
}

/// Runs a command against a broker that answers its first request with `events`.
pub(crate) async fn answered(arguments: &[&str], events: Vec<Event>) -> (Request, Output) {
    let fake = Fake::new();
    let child = corectl(&fake, arguments).spawn().unwrap();
    let mut peer = fake.accept().await;
    let ClientFrame { id, request, .. } = peer.receive().await;
    for event in events {
        peer.send(&id, event).await;
    }
    (request, ended(child).await)
}

pub(crate) fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

pub(crate) fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

pub(crate) fn finished(reason: FinishReason) -> Event {
    Event::Done(Done {
        finish_reason: Some(reason),
        usage: Usage { prompt_tokens: 3, cached_tokens: 1, completion_tokens: 2 },
        timings: Timings { queue_ms: 0.5, prefill_ms: 2.0, decode_ms: 10.0 },
    })
}
