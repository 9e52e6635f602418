//! I09, I14, L01, L03, L04, L07: how a broker starts, and what its end takes along.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use core_tests::{
    harness::{Broker, Install, Setup, broker::serve, processes},
    trace::{Arg, Tracee},
};
use nix::{libc, sys::signal::Signal};

use super::{ensure, with_model};
use crate::skip::{needs_root, skip};

/// The mission's bound for the workers of a killed broker.
const GONE_MAX: Duration = Duration::from_millis(100);
/// A worker that is there then has not noticed at all.
const ORPHAN_MAX: Duration = Duration::from_secs(5);
/// How long a broker that refuses may take to say so.
const REFUSED_MAX: Duration = Duration::from_secs(20);
/// Rounds of kills when nobody asks for more by `CORE_ROUNDS`.
const ROUNDS: u32 = 24;

/// Starts a broker that must refuse; its exit code and what it said.
pub(super) fn refused(mut command: Command) -> Setup<(i32, String)> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn()?;
    let ended = || child.try_wait().ok().flatten();
    let status = processes::wait_for(REFUSED_MAX, ended);
    // One that runs is no refusal, and must not stay.
    let _ = child.kill();
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((status.and_then(|status| status.code()).unwrap_or(-1), said))
}

fn refuses(install: &Install, code: i32, word: &str) -> Setup<()> {
    let (found, said) = refused(serve(install, &[]))?;
    ensure(found == code && said.contains(word), || format!("exit {found}: {said}"))
}

/// I09: a directory for the socket that somebody prepared.
pub(super) fn prepared_directory() -> Setup<()> {
    let install = Install::new()?;
    let directory = install.path().join("run");
    let mode = |mode| fs::set_permissions(&directory, fs::Permissions::from_mode(mode));
    mode(0o777)?;
    refuses(&install, 73, "0777")?;
    mode(0o700)?;
    let elsewhere = install.path().join("elsewhere");
    fs::rename(&directory, &elsewhere)?;
    symlink(&elsewhere, &directory)?;
    refuses(&install, 73, "run")?;
    fs::remove_file(&directory)?;
    fs::rename(&elsewhere, &directory)?;
    if nix::unistd::geteuid().is_root() {
        chown(&directory, Some(4711), None)?;
        refuses(&install, 73, "4711")?;
        chown(&directory, Some(install.uid), None)?;
    }
    Broker::start(install, &[]).map(drop).map_err(|error| format!("invalid: {error}").into())
}

/// I14: the second of two brokers.
pub(super) fn second_broker() -> Setup<()> {
    let first = with_model()?;
    refuses(&first.install, 73, "another broker")?;
    let output = first.corectl(&["status"]);
    ensure(output.code == 0, || format!("the first was harmed: {output:?}"))
}

/// L07: what the domain cannot be built from is named, and nothing starts.
pub(super) fn unreadable_paths() -> Setup<()> {
    let install = Install::new()?;
    let models = install.root().join("models");
    if nix::unistd::geteuid().is_root() {
        fs::set_permissions(&models, fs::Permissions::from_mode(0o000))?;
        refuses(&install, 73, "models")?;
    }
    fs::remove_dir(&models)?;
    refuses(&install, 73, "models")?;
    fs::create_dir(&models)?;
    Broker::start(install, &[]).map(drop).map_err(|error| format!("invalid: {error}").into())
}

/// L01: killed at any moment, also while it starts a worker. A slow end counts only while no more
/// than the processors' share runs: a killed process needs one to end on.
pub(super) fn killed() -> Setup<()> {
    let asked = std::env::var("CORE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let rounds: u32 = asked.unwrap_or(ROUNDS);
    let mut broker = with_model()?;
    let (mut seen, mut void) = (0, 0);
    for round in 0..rounds {
        let (workers, took) = kill_while_loading(&mut broker, round)?;
        seen += workers;
        if took >= GONE_MAX {
            ensure(is_busy(), || format!("round {round}: {took:?}"))?;
            void += 1;
        }
        broker = broker.again()?;
    }
    ensure(seen > 0, || "invalid: no worker was ever there".into())?;
    if void > rounds / 2 {
        return skip(format!("{void} of {rounds} rounds were slow on a busy machine"));
    }
    Ok(())
}

/// How many workers there were, and how long the last of them took.
fn kill_while_loading(broker: &mut Broker, round: u32) -> Setup<(usize, Duration)> {
    let mut loading = broker
        .corectl_command(&["load", "story"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // From before the fork to after READY, which is some 150 ms here.
    std::thread::sleep(Duration::from_millis(u64::from(round % 12) * 15));
    let workers = broker.workers();
    broker.signal(Signal::SIGKILL);
    broker.wait().ok_or("a killed broker did not end")?;
    let start = Instant::now();
    let gone = || workers.iter().all(|pid| !processes::alive(*pid)).then_some(());
    let gone = processes::wait_for(ORPHAN_MAX, gone);
    let took = start.elapsed();
    let _ = loading.kill();
    loading.wait()?;
    gone.ok_or_else(|| format!("round {round}: a worker outlives its broker"))?;
    Ok((workers.len(), took))
}

/// Whether more threads want a processor than there are.
fn is_busy() -> bool {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let running = load.split(' ').nth(3).and_then(|field| field.split('/').next());
    let running: usize = running.and_then(|running| running.parse().ok()).unwrap_or(0);
    // This thread is one of them.
    running > std::thread::available_parallelism().map_or(1, usize::from)
}

/// L03: workers belong to the main thread: they outlive every other thread of the broker.
pub(super) fn a_helper_ends() -> Setup<()> {
    needs_root("ptrace of a broker")?;
    let (broker, worker) = super::ready()?;
    let parent = processes::status_field(worker, "PPid").unwrap_or_default();
    ensure(parent == broker.pid().to_string(), || format!("the parent is {parent}"))?;
    let helpers: Vec<u32> =
        processes::tasks(broker.pid()).into_iter().filter(|tid| *tid != broker.pid()).collect();
    if helpers.is_empty() {
        return skip("the broker has one thread by now: no helper is there to end");
    }
    for helper in helpers {
        let tracee = Tracee::seize_running(helper)?;
        tracee.end_by_call(libc::SYS_exit.cast_unsigned(), &[Arg::Num(0)])?;
    }
    std::thread::sleep(3 * GONE_MAX);
    ensure(processes::alive(worker), || "the worker died with a helper thread".into())?;
    let output = broker.corectl(&["run", "story", "Once", "-n", "4"]);
    ensure(output.code == 0, || format!("{output:?}"))
}

/// L04: root without a user is refused; with one, nothing of root is left on any thread.
pub(super) fn root_is_given_up() -> Setup<()> {
    needs_root("starting as root")?;
    let install = Install::new()?;
    let mut command = Command::new(install.program("core-broker"));
    command.arg("serve").arg("--root").arg(install.root()).arg("--socket").arg(install.socket());
    command.arg("--token-file").arg(install.token_file());
    let (code, said) = refused(command)?;
    ensure(code == 77 && said.contains("--user"), || format!("exit {code}: {said}"))?;
    let (broker, worker) = super::ready()?;
    let uid = broker.install.uid.to_string();
    for pid in [broker.pid(), worker] {
        for tid in processes::tasks(pid) {
            let field = |name| processes::task_field(pid, tid, name).unwrap_or_default();
            let uids = field("Uid");
            ensure(uids.split_whitespace().all(|found| found == uid), || format!("{pid}: {uids}"))?;
            ensure(field("Groups").is_empty(), || format!("{pid} has groups"))?;
            for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
                let found = field(set);
                ensure(found == "0000000000000000", || format!("{pid}: {set} {found}"))?;
            }
        }
    }
    let back = Tracee::seize_running(broker.pid())?;
    let outcome = back.inject(libc::SYS_setuid.cast_unsigned(), &[Arg::Num(0)])?;
    let denied = core_tests::trace::Outcome::Returned(-i64::from(libc::EPERM));
    ensure(outcome == denied, || format!("setuid(0): {outcome:?}"))?;
    back.detach()
}

/// L04: a library that starts a thread before `main` is noticed: layers would miss that thread.
pub(super) fn an_early_thread_is_noticed() -> Setup<()> {
    let install = Install::new()?;
    let source = install.path().join("early.c");
    let library = install.path().join("early.so");
    fs::write(&source, EARLY)?;
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-pthread", "-o"]);
    let built = compiler.arg(&library).arg(&source).status();
    if !built.is_ok_and(|status| status.success()) {
        return skip("there is no C compiler to build a library that starts a thread");
    }
    let mut command = serve(&install, &[]);
    command.env("LD_PRELOAD", &library);
    let (code, said) = refused(command)?;
    ensure(code == 69 || code == 70, || format!("exit {code}: {said}"))
}

/// Starts a thread before `main`.
const EARLY: &str = "#include <pthread.h>\n#include <unistd.h>\n\
    static void *idle(void *a) { (void)a; for (;;) pause(); }\n\
    __attribute__((constructor)) static void start(void) {\n\
    pthread_t t; pthread_create(&t, 0, idle, 0); }\n";
