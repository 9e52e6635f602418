//! A live worker is made to misbehave, and the client is told what it was.

use std::{process::Stdio, time::Duration};

use core_tests::{
    harness::Setup,
    trace::{Arg, Outcome, Tracee},
};
use nix::{libc, sys::signal::Signal};

use super::{busy, ensure, ready};

pub(super) fn socket() -> Setup<()> {
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

pub(super) fn broker_socket() -> Setup<()> {
    let (broker, _) = busy()?;
    let tracee = Tracee::seize_running(broker.pid())?;
    for (family, allowed) in
        [(libc::AF_INET, false), (libc::AF_INET6, false), (libc::AF_UNIX, true)]
    {
        let call = [family, libc::SOCK_STREAM, 0];
        let call = call.map(|value| Arg::Num(u64::from(value.cast_unsigned())));
        let outcome = tracee.inject(libc::SYS_socket.cast_unsigned(), &call)?;
        let denied = outcome == Outcome::Returned(-i64::from(libc::EPERM));
        ensure(if allowed { opened(outcome) } else { denied }, || {
            format!("family {family}: {outcome:?}")
        })?;
    }
    tracee.detach()
}

/// H08: mseal or the seal refuses; a private page beside it shows that mprotect itself works.
pub(super) fn ring() -> Setup<()> {
    let (_broker, worker) = ready()?;
    let maps = std::fs::read_to_string(format!("/proc/{worker}/maps"))?;
    let start = |wanted: &dyn Fn(&str) -> bool| {
        let line = maps.lines().find(|line| wanted(line)).ok_or("no such mapping")?;
        Ok::<u64, Box<dyn std::error::Error + Send + Sync>>(u64::from_str_radix(
            line.split('-').next().unwrap_or_default(),
            16,
        )?)
    };
    let ring = start(&|line| line.contains("memfd:") && line.contains(" r--s "))?;
    let stack = start(&|line| line.ends_with("[stack]"))?;
    let tracee = Tracee::seize_running(worker)?;
    let write = |at| {
        let both = libc::PROT_READ | libc::PROT_WRITE;
        let call = [at, 4096, u64::from(both.cast_unsigned())].map(Arg::Num);
        tracee.inject(libc::SYS_mprotect.cast_unsigned(), &call)
    };
    let (allowed, denied) = (write(stack)?, write(ring)?);
    let refused = [libc::EPERM, libc::EACCES].map(|errno| Outcome::Returned(-i64::from(errno)));
    let holds = allowed == Outcome::Returned(0) && refused.contains(&denied);
    ensure(holds, || format!("the stack: {allowed:?}, the ring: {denied:?}"))?;
    tracee.detach()
}

/// P27: what ends by itself is told from what was ended: abort() needs its calls, and a fault must
/// reach the default action.
pub(super) fn crashes() -> Setup<()> {
    crash(Signal::SIGABRT, |tracee| {
        let own = u64::from(tracee.pid());
        let call = [own, own, libc::SIGABRT.cast_unsigned().into()].map(Arg::Num);
        tracee.end_by_call(libc::SYS_tgkill.cast_unsigned(), &call)
    })?;
    crash(Signal::SIGSEGV, |tracee| tracee.end_by_jump(0))
}

fn crash(signal: Signal, end: impl FnOnce(&Tracee) -> Setup<Outcome>) -> Setup<()> {
    let (broker, worker) = busy()?;
    let arguments = ["run", "long", "Once", "-n", "8000", "--ignore-eos"];
    let running = broker.corectl_command(&arguments).stdout(Stdio::piped()).spawn()?;
    std::thread::sleep(Duration::from_millis(200));
    let outcome = end(&Tracee::seize_running(worker)?)?;
    ensure(outcome == Outcome::Killed(signal), || format!("{outcome:?} instead of {signal}"))?;
    let text = String::from_utf8_lossy(&running.wait_with_output()?.stdout).into_owned();
    let told = text.contains("\"WORKER_LOST\"") && text.contains(signal.as_str());
    ensure(told, || format!("{signal}: {}", last_line(&text)))
}

/// F07: the broker writes beneath temp/ and cache/ and nowhere else.
pub(super) fn broker_writes() -> Setup<()> {
    let (broker, _) = ready()?;
    let tracee = Tracee::seize_running(broker.pid())?;
    let create = |path: &str| {
        let flags = (libc::O_CREAT | libc::O_WRONLY).cast_unsigned();
        let here = i64::from(libc::AT_FDCWD).cast_unsigned();
        let path = broker.path(path).to_string_lossy().into_owned();
        let call = [Arg::Num(here), Arg::Text(path), Arg::Num(flags.into()), Arg::Num(0o600)];
        tracee.inject(libc::SYS_openat.cast_unsigned(), &call)
    };
    let denied = Outcome::Returned(-i64::from(libc::EACCES));
    for (path, allowed) in
        [("root/temp/x", true), ("root/cache/x", true), ("root/models/x", false), ("x", false)]
    {
        let outcome = create(path)?;
        let holds = if allowed { opened(outcome) } else { outcome == denied };
        ensure(holds, || format!("{path}: {outcome:?}"))?;
    }
    tracee.detach()
}

fn opened(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Returned(fd) if fd >= 0)
}

fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or("nothing was printed").to_owned()
}
