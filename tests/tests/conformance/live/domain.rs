//! F07, F12, N17: the broker's own domain and filter, attacked as a worker's are.

use core_tests::{
    harness::{Broker, Setup, processes},
    trace::{Arg, Outcome, Tracee},
};
use nix::libc;

use super::{ensure, filters, ready, with_model};
use crate::skip::needs_root;

fn denied(errno: i32) -> Outcome {
    Outcome::Returned(-i64::from(errno))
}

/// N17: a broker's socket call of every family, its own included: the one socket it needs was made
/// before its filter. Nor does it bind, listen, connect, or receive descriptors.
pub(super) fn sockets() -> Setup<()> {
    needs_root("ptrace of a broker")?;
    let (broker, _) = ready()?;
    let tracee = Tracee::seize_running(broker.pid())?;
    let three = |first: i32| [first, libc::SOCK_STREAM, 0].map(of_int);
    let families = (0..=47).map(|family| (libc::SYS_socket, three(family)));
    let others = [libc::SYS_bind, libc::SYS_listen, libc::SYS_connect, libc::SYS_recvmsg];
    // No such descriptor: without the filter each of these is EBADF.
    for (number, call) in families.chain(others.map(|number| (number, three(-1)))) {
        let outcome = tracee.inject(number.cast_unsigned(), &call)?;
        let holds = outcome == denied(libc::EPERM);
        ensure(holds, || format!("call {number} of {call:?}: {outcome:?}"))?;
    }
    tracee.detach()
}

fn of_int(value: i32) -> Arg {
    Arg::Num(u64::from(value.cast_unsigned()))
}

/// F07: the broker writes beneath temp/ and cache/ and nowhere else.
pub(super) fn writes() -> Setup<()> {
    needs_root("ptrace of a broker")?;
    let (broker, _) = ready()?;
    let tracee = Tracee::seize_running(broker.pid())?;
    let create = |path: &str| {
        let flags = (libc::O_CREAT | libc::O_WRONLY).cast_unsigned();
        let path = broker.path(path).to_string_lossy().into_owned();
        let call = [Arg::Num(here()), Arg::Text(path), Arg::Num(flags.into()), Arg::Num(0o600)];
        tracee.inject(libc::SYS_openat.cast_unsigned(), &call)
    };
    for (path, allowed) in
        [("root/temp/x", true), ("root/cache/x", true), ("root/models/x", false), ("x", false)]
    {
        let outcome = create(path)?;
        let holds = if allowed { opened(outcome) } else { outcome == denied(libc::EACCES) };
        ensure(holds, || format!("{path}: {outcome:?}"))?;
    }
    tracee.detach()
}

/// F12: a broker executes nothing but the worker and its interpreter.
pub(super) fn executes() -> Setup<()> {
    needs_root("ptrace of a broker")?;
    let broker = with_model()?;
    let tracee = Tracee::seize_running(broker.pid())?;
    let sh = broker.path("root/cache/sh");
    std::fs::copy("/bin/sh", &sh)?;
    for program in ["/bin/true", "/bin/sh", &sh.to_string_lossy(), "/proc/self/exe"] {
        let outcome = execute(&tracee, &[program])?;
        ensure(outcome == denied(libc::EACCES), || format!("{program}: {outcome:?}"))?;
    }
    Ok(())
}

/// F12: what the interpreter runs for a broker that was taken over stays in its filter and domain.
pub(super) fn the_interpreter_gains_nothing() -> Setup<()> {
    needs_root("ptrace of a broker")?;
    let broker = with_model()?;
    let before = state(&broker)?;
    let tracee = Tracee::seize_running(broker.pid())?;
    let outcome = execute(&tracee, &["/lib64/ld-linux-x86-64.so.2", "/bin/true"])?;
    ensure(outcome == Outcome::Returned(0), || format!("the interpreter: {outcome:?}"))?;
    let after = state(&broker)?;
    ensure(before == after, || format!("{before:?} became {after:?}"))?;
    let opens = |path: &str| {
        let call = [Arg::Num(here()), Arg::Text(path.into()), Arg::Num(0)];
        tracee.inject(libc::SYS_openat.cast_unsigned(), &call)
    };
    let (outside, inside) = (opens("/etc/passwd")?, opens("/dev/null")?);
    ensure(outside == denied(libc::EACCES), || format!("/etc/passwd: {outside:?}"))?;
    ensure(opened(inside), || format!("invalid: /dev/null gave {inside:?}"))?;
    let call = [libc::AF_INET, libc::SOCK_STREAM, 0];
    let call = call.map(|value| Arg::Num(u64::from(value.cast_unsigned())));
    let socket = tracee.inject(libc::SYS_socket.cast_unsigned(), &call)?;
    ensure(socket == denied(libc::EPERM), || format!("a socket: {socket:?}"))?;
    ensure(filters::read(&tracee)? == before.1, || "other filters than before".into())
}

/// What must not change: filters by number and content, privileges, user.
type State = ([String; 4], Vec<Vec<core_policy::seccomp::Insn>>);

fn state(broker: &Broker) -> Setup<State> {
    let field = |name| processes::status_field(broker.pid(), name).unwrap_or_default();
    let fields = ["Seccomp_filters", "NoNewPrivs", "CapEff", "Uid"].map(field);
    let programs =
        core_policy::seccomp::programs(core_policy::seccomp::Stage::Broker, broker.pid());
    Ok((fields, programs))
}

/// execve with these words as the arguments of the program that the first one names.
fn execute(tracee: &Tracee, words: &[&str]) -> Setup<Outcome> {
    let path = Arg::Text(words[0].into());
    let call =
        [path, Arg::Words(words.iter().map(|word| (*word).to_owned()).collect()), Arg::Num(0)];
    tracee.inject(libc::SYS_execve.cast_unsigned(), &call)
}

fn opened(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Returned(fd) if fd >= 0)
}

fn here() -> u64 {
    i64::from(libc::AT_FDCWD).cast_unsigned()
}
