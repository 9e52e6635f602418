//! A live worker is made to misbehave: it dies of that, it is said what it was, and the stream of
//! its client goes on with the next one.

use std::{process::Stdio, time::Duration};

use core_tests::{
    harness::Setup,
    trace::{Arg, Outcome, Tracee},
};
use nix::{libc, sys::signal::Signal};

use super::{busy, ensure, last_line};
use crate::skip::needs_root;

/// Tokens of the stream: seconds of them.
const TOKENS: usize = 8000;

pub(super) fn socket() -> Setup<()> {
    needs_root("ptrace of a worker that its broker has started")?;
    let (broker, worker) = busy()?;
    let arguments = ["run", "long", "Once", "-n", &TOKENS.to_string(), "--ignore-eos"];
    let running =
        broker.corectl_command(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    std::thread::sleep(Duration::from_millis(200));
    let tracee = Tracee::seize_running(worker)?;
    let call = [libc::AF_INET, libc::SOCK_STREAM, 0];
    let call = call.map(|value| Arg::Num(u64::from(value.cast_unsigned())));
    let outcome = tracee.inject(libc::SYS_socket.cast_unsigned(), &call)?;
    ensure(outcome == Outcome::Killed(Signal::SIGSYS), || format!("{outcome:?}"))?;
    let output = running.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let tokens = text.lines().filter(|line| line.contains("\"token\"")).count();
    ensure(text.contains("\"done\"") && tokens == TOKENS, || last_line(&text))?;
    ensure(broker.log().contains("POLICY_VIOLATION"), || "the log says nothing of it".into())?;
    let status = broker.corectl(&["status"]).lines.remove(0);
    ensure(status["deaths"]["policy"] == 1, || format!("{}", status["deaths"]))
}
