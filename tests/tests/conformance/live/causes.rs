//! P27, P28: what is made of the end of a worker: where it is counted, and who is told which
//! assertion failed.

use std::{process::Stdio, time::Duration};

use core_tests::{
    harness::{Broker, Setup, processes},
    trace::{Arg, Outcome, Tracee},
};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::{busy, ensure, last_line, symbols};
use crate::skip::needs_root;

/// What fails.
const ASSERTION: &str = "GGML_ASSERT(conformance) failed";
/// Deaths at which a request is refused.
const QUARANTINE_AT: u64 = 3;
/// Tokens of a prompt that takes a second and more, so that each death comes before an answer.
const PROMPT_TOKENS: usize = 6000;
/// How long a worker may take to be there, or gone.
const COMPUTES_MAX: Duration = Duration::from_secs(20);

/// P27: a worker that is refused memory is counted as that, and not as one whose assertion failed;
/// its model says so.
pub(super) fn refused_memory() -> Setup<()> {
    needs_root("ptrace of a worker")?;
    let (broker, worker) = busy()?;
    // What operator new does then.
    let end = "_ZSt17__throw_bad_allocv";
    by_call(&Tracee::seize_running(worker)?, worker, ("libstdc++.so", end), &[])?;
    let counted = || (status(&broker)["deaths"]["memory"] == 1).then_some(());
    processes::wait_for(COMPUTES_MAX, counted).ok_or("it is not counted as lack of memory")?;
    let status = status(&broker);
    ensure(status["deaths"]["abort"] == 0, || status["deaths"].to_string())?;
    let death = status["models"][0]["last_death"].to_string();
    ensure(death.contains("std::bad_alloc"), || format!("the model's last death: {death}"))
}

/// P28: a request whose prompt fails an assertion in every worker is told which one, and so is
/// whoever looks at the model.
pub(super) fn assertion_is_told() -> Setup<()> {
    needs_root("ptrace of a worker")?;
    let (broker, _) = busy()?;
    let prompt = vec!["300"; PROMPT_TOKENS].join(",");
    let arguments = ["run", "long", "--tokens", &prompt, "-n", "2", "--ignore-eos"];
    let running = broker.corectl_command(&arguments).stdout(Stdio::piped()).spawn()?;
    for _ in 0..QUARANTINE_AT {
        let worker = processes::wait_for(COMPUTES_MAX, || computing(&broker));
        let worker = worker.ok_or("it never runs")?;
        let words = [text("/built/ggml.c"), Arg::Num(42), text(ASSERTION)];
        let tracee = Tracee::seize_running(worker)?;
        by_call(&tracee, worker, ("libggml-base.so", "ggml_abort"), &words)?;
    }
    let said = String::from_utf8_lossy(&running.wait_with_output()?.stdout).into_owned();
    let last = last_line(&said);
    let told = last.contains("\"QUARANTINED\"") && last.contains(ASSERTION);
    ensure(told && !last.contains("/built"), || format!("its client is told {last}"))?;
    let status = status(&broker);
    let death = status["models"][0]["last_death"].to_string();
    ensure(death.contains(ASSERTION), || format!("the model's last death: {death}"))?;
    ensure(status["deaths"]["abort"] == QUARANTINE_AT, || status["deaths"].to_string())
}

fn text(text: &str) -> Arg {
    Arg::Text(text.into())
}

fn status(broker: &Broker) -> Value {
    broker.corectl(&["status"]).lines.first().cloned().unwrap_or_default()
}

/// The worker that serves and runs something.
fn computing(broker: &Broker) -> Option<u32> {
    let worker = status(broker)["workers"][0].clone();
    let pid = worker["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
    pid.filter(|_| worker["active"] == 1 && worker["state"] == "ready")
}

/// Lets a worker enter a function that aborts it, and waits until its broker has taken that in.
fn by_call(
    tracee: &Tracee,
    worker: u32,
    (file, name): (&str, &str),
    arguments: &[Arg],
) -> Setup<()> {
    let address = symbols::address(worker, file, |symbol| symbol == name)?;
    let outcome = tracee.end_by_jump(address, arguments)?;
    ensure(outcome == Outcome::Killed(Signal::SIGABRT), || format!("{outcome:?}"))?;
    let gone = || (!processes::alive(worker)).then_some(());
    processes::wait_for(COMPUTES_MAX, gone).ok_or("it is still there")?;
    Ok(())
}
