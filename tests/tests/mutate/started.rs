//! The real broker and the real worker, each of whose calls at the start is shown to an edit first.

use std::{
    fs,
    process::{Child, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use core_tests::{
    harness::{Broker, Edit, Install, Setup, layers::installs_filter, processes},
    trace::{Call, Tracee, Verdict},
};
use nix::{
    libc,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    alive,
    live::{
        look::{LOOKS, Subject},
        rights,
    },
};

/// How long a load may take under the tracer: without it takes a tenth of a second. A broker that
/// waits for something that a mutant took away has deadlines of its own, which are below.
const LOAD_MAX: Duration = Duration::from_secs(10);
/// How long a fresh process may take to stop itself.
const STOP_MAX: Duration = Duration::from_secs(5);
/// Processes that a load starts at most: an inspector, the worker, and each again.
const CHILDREN_MAX: usize = 8;
/// Says its own number, stops, and becomes what follows.
const STOPPED: &str = r#"echo $$ >"$0"; kill -STOP $$; exec "$@""#;

/// A whole broker and worker, held and edited in nothing, pass all by which a mutant is told.
///
/// # Errors
/// Something goes red without any mutant, so a run would say nothing.
pub(crate) fn control() -> Setup<()> {
    let install = Install::new()?;
    install.add_long()?;
    let broker = self::broker(install, &mut |_, _| None)??;
    let tracee = Tracee::seize_running(broker.pid())?;
    let denied = rights::broker_is_denied(&tracee);
    tracee.detach()?;
    denied?;
    let worker = load(&broker, &mut |_, _| None)??;
    for (row, look) in LOOKS {
        look(Subject { worker, broker: broker.pid() })
            .map_err(|error| format!("{row}: {error}"))?;
    }
    rights::rings_are_fixed(worker)?;
    alive::alive(&broker, worker)?;
    rights::memory_of_a_worker()?;
    rights::of_a_worker()
}

/// Loads the model `long`, and edits each process that the broker starts for it. The inner error
/// says why it did not load.
///
/// # Errors
/// The broker cannot be held.
pub(crate) fn load(broker: &Broker, edit: &mut Edit<'_>) -> Setup<Setup<u32>> {
    let tracee = Tracee::seize_forking(broker.pid())?;
    let command = &mut broker.corectl_command(&["load", "long"]);
    let mut loading = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    tracee.resume()?;
    let end = Instant::now() + LOAD_MAX;
    let held = children(&tracee, &mut loading, end, edit);
    tracee.release()?;
    let late = Instant::now() >= end;
    if late {
        loading.kill()?;
    }
    let output = loading.wait_with_output()?;
    held?;
    if late {
        // Whoever waited for whom: this says nothing about the mutant.
        return Err(format!("no end of a load within {} s", LOAD_MAX.as_secs()).into());
    }
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let last = text.lines().last().unwrap_or("nothing").to_owned();
        return Ok(Err(format!("it does not load: {last}").into()));
    }
    Ok(broker.worker("long").ok_or_else(|| "a loaded model has no worker".into()))
}

/// Edits one process after the other, until one has its last filter.
fn children(tracee: &Tracee, loading: &mut Child, end: Instant, edit: &mut Edit<'_>) -> Setup<()> {
    for _ in 0..CHILDREN_MAX {
        let over = || Instant::now() >= end || loading.try_wait().is_ok_and(|end| end.is_some());
        let Some(child) = tracee.next_child(over)? else {
            return Ok(());
        };
        tracee.resume()?;
        // An inspector ends before SERVE, and so does a worker that a mutant ended.
        if until(&child, edit, serves).is_ok() {
            return child.detach();
        }
    }
    Ok(())
}

/// Starts a broker and edits its own calls until it is locked down. The inner error says why it
/// did not start.
///
/// # Errors
/// It cannot be held.
pub(crate) fn broker(install: Install, edit: &mut Edit<'_>) -> Setup<Setup<Broker>> {
    let ((), broker) = begun(install, |tracee| {
        // One that ends on the way says so itself.
        match until(&tracee, edit, is_locked) {
            Ok(_) => tracee.detach(),
            Err(_) => Ok(()),
        }
    })?;
    Ok(broker)
}

/// Starts a broker, edits its calls until it is in its domain and has no filter yet, lets `check`
/// look at it there, and ends it. The inner error is the check's, or why it did not get there.
///
/// # Errors
/// It cannot be held.
pub(crate) fn broker_in_domain(
    install: Install,
    edit: &mut Edit<'_>,
    check: impl FnOnce(&Tracee) -> Setup<()>,
) -> Setup<Setup<()>> {
    let (checked, _) = begun(install, |tracee| {
        let checked = until(&tracee, edit, enters).and_then(|_| check(&tracee));
        // It may have ended already.
        let _ = kill(Pid::from_raw(tracee.pid().cast_signed()), Signal::SIGKILL);
        Ok(checked)
    })?;
    Ok(checked)
}

/// A broker that is held from its first instruction on, what `act` made of it, and how it started.
fn begun<T>(install: Install, act: impl FnOnce(Tracee) -> Setup<T>) -> Setup<(T, Setup<Broker>)> {
    let install = Arc::new(install);
    let file = install.path().join("pid");
    let words = ["/bin/bash", "-c", STOPPED, &file.to_string_lossy()];
    let wrapper: Vec<String> = words.map(str::to_owned).to_vec();
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| Broker::start_behind(&wrapper, Arc::clone(&install), &[]));
        let stopped = || {
            let pid = fs::read_to_string(&file).ok()?.trim().parse().ok()?;
            processes::status_field(pid, "State")?.starts_with('T').then_some(pid)
        };
        let pid = processes::wait_for(STOP_MAX, stopped).ok_or("the broker did not stop")?;
        let made = act(Tracee::seize_until_exec(pid)?)?;
        let broker = starting.join().map_err(|_| "the thread that starts a broker panicked")?;
        Ok((made, broker))
    })
}

/// Shows every call to `edit` until one is the last.
fn until(tracee: &Tracee, edit: &mut Edit<'_>, last: fn(Call) -> bool) -> Setup<Call> {
    tracee.run_until(|call| {
        let is_last = last(call);
        match (edit(tracee, call), is_last) {
            (None, false) => Verdict::Pass,
            (None, true) => Verdict::Hold,
            (Some(answer), false) => Verdict::Answer(answer),
            (Some(_), true) => Verdict::RemoveAndHold,
        }
    })
}

/// Only SERVE is installed on all threads: `SECCOMP_FILTER_FLAG_TSYNC`.
fn serves(call: Call) -> bool {
    installs_filter(call) && call.arguments[1] == 1
}

fn enters(call: Call) -> bool {
    call.number == libc::SYS_landlock_restrict_self.cast_unsigned()
}

/// Only the broker's allow list asks for log lines: `SECCOMP_FILTER_FLAG_LOG`.
fn is_locked(call: Call) -> bool {
    installs_filter(call) && call.arguments[1] == 2
}
