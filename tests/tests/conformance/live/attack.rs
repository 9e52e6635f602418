//! A live worker is made to misbehave, and the client is told what it was.

use std::{process::Stdio, time::Duration};

use core_tests::{
    harness::Setup,
    trace::{Arg, Outcome, Tracee},
};
use nix::{libc, sys::signal::Signal};

use super::{busy, ensure, last_line};
use crate::skip::needs_root;

pub(super) fn socket() -> Setup<()> {
    needs_root("ptrace of a worker")?;
    let (broker, worker) = busy()?;
    let arguments = ["run", "long", "Once", "-n", "8000", "--ignore-eos"];
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
    ensure(text.contains("\"POLICY_VIOLATION\""), || last_line(&text))?;
    let again = broker.corectl(&["run", "long", "Once", "-n", "4"]);
    ensure(again.code == 0, || format!("{again:?}"))
}
