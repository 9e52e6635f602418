//! P14, P27, P28: a worker that ends by itself ends visibly, alone, and leaves no core.

use std::{os::unix::fs::PermissionsExt, path::Path, process::Stdio, time::Duration};

use core_tests::{
    harness::{Bench, Layers, Setup, Stage, processes},
    trace::{Arg, Outcome, Tracee},
};
use nix::{libc, sys::signal::Signal};

use super::{busy, ensure, last_line, symbols};
use crate::{
    VARIANT,
    skip::{needs_root, skip},
    world::World,
};

/// `RLIMIT_CORE` of getrlimit(2), and more than a worker's core has.
const RLIMIT_CORE: u64 = 4;
const CORE_BYTES: u64 = 1 << 30;

/// How a worker is made to end: what it is called, by which signal, the words of it that must come
/// through the log pipe, and how.
type End = (&'static str, Signal, &'static str, fn(&Tracee) -> Setup<Outcome>);

const ENDS: [End; 5] = [
    ("a jump to nowhere", Signal::SIGSEGV, "", |tracee| tracee.end_by_jump(0, &[])),
    ("abort()", Signal::SIGABRT, "", |tracee| by_call(tracee, "libc.so", "abort", &[])),
    ("a panic", Signal::SIGABRT, "panic at", by_panic),
    ("a C++ exception", Signal::SIGABRT, "std::bad_alloc", |tracee| {
        by_call(tracee, "libstdc++.so", "_ZSt17__throw_bad_allocv", &[])
    }),
    ("a stack that overflows", Signal::SIGSEGV, "", by_stack),
];

/// P27: what ends by itself is told from what was ended: abort() needs its calls, a fault must
/// reach the default action, and what was said last arrives. On the thread that serves.
pub(super) fn on_main() -> Setup<()> {
    let signal = ("SIGABRT by tgkill", Signal::SIGABRT, "", by_signal as fn(&_) -> _);
    ENDS.into_iter().chain([signal]).try_for_each(|end| crash(end, Ok))
}

/// P27: on a thread of the OpenMP team. There is no third kind of thread: the process has as many
/// as the team has members, of whom the main thread is one.
pub(super) fn on_member() -> Setup<()> {
    let member = |worker: u32| {
        let tasks = processes::tasks(worker);
        let team = std::fs::read(format!("/proc/{worker}/environ"))?;
        let team = String::from_utf8_lossy(&team).into_owned();
        let team = team.split('\0').find_map(|pair| pair.strip_prefix("OMP_NUM_THREADS="));
        let threads = tasks.len().to_string();
        ensure(team == Some(&threads), || format!("{threads} threads, a team of {team:?}"))?;
        let other = tasks.into_iter().find(|tid| *tid != worker);
        other.ok_or_else(|| "the engine has one thread".into())
    };
    ENDS.into_iter().try_for_each(|end| crash(end, member))
}

/// P27: while the model is read, under the other filter.
pub(super) fn while_loading() -> Setup<()> {
    needs_root("reading the maps of a process that is not dumpable")?;
    let world = World::new()?;
    let install = world.install();
    let bench = Bench { install: &install, variant: VARIANT };
    for (what, signal, _, end) in ENDS {
        let held = bench.hold(Path::new(&world.model), Stage::Load, Layers::ALL)?;
        let outcome = end(&held.tracee)?;
        ensure(outcome == Outcome::Killed(signal), || format!("{what}: {outcome:?}"))?;
    }
    Ok(())
}

/// P28: as a failed assertion of ggml ends, with its own words in the broker's log.
pub(super) fn assertion() -> Setup<()> {
    let text = |text: &str| Arg::Text(text.into());
    let end = |tracee: &Tracee| {
        let words = [text("ggml.c"), Arg::Num(42), text("GGML_ASSERT(conformance) failed")];
        by_call(tracee, "libggml-base.so", "ggml_abort", &words)
    };
    needs_root("ptrace of a worker that its broker has started")?;
    let (broker, worker) = busy()?;
    let outcome = end(&Tracee::seize_running(worker)?)?;
    ensure(outcome == Outcome::Killed(Signal::SIGABRT), || format!("{outcome:?}"))?;
    let told = || broker.log().contains("GGML_ASSERT(conformance)").then_some(());
    processes::wait_for(Duration::from_secs(5), told).ok_or("its words did not arrive")?;
    let gone = || (!processes::alive(worker)).then_some(());
    processes::wait_for(Duration::from_secs(5), gone).ok_or("it is still there")?;
    let left = processes::children(broker.pid());
    let others = left.iter().filter(|pid| processes::alive(**pid)).count();
    ensure(others == 0, || format!("it left processes behind: {left:?}"))
}

fn by_signal(tracee: &Tracee) -> Setup<Outcome> {
    let call = [Arg::Own, Arg::Own, Arg::Num(libc::SIGABRT.cast_unsigned().into())];
    tracee.end_by_call(libc::SYS_tgkill.cast_unsigned(), &call)
}

fn by_call(tracee: &Tracee, file: &str, name: &str, arguments: &[Arg]) -> Setup<Outcome> {
    let address = symbols::address(tracee.pid(), file, |symbol| symbol == name)?;
    tracee.end_by_jump(address, arguments)
}

/// A panic of our own code; where it was is an empty name, line and column.
fn by_panic(tracee: &Tracee) -> Setup<Outcome> {
    let ends = |name: &str| name.contains("panicking") && name.contains("panic_const_div_by_zero");
    let address = symbols::address(tracee.pid(), "core-worker", ends)?;
    let somewhere = Arg::Bytes([&address.to_le_bytes()[..], &[0; 16]].concat());
    tracee.end_by_jump(address, &[somewhere])
}

/// The main thread's stack may grow to its limit, with a gap that the kernel keeps below it; that
/// of any other thread ends at the guard page below its mapping.
fn by_stack(tracee: &Tracee) -> Setup<Outcome> {
    let entry = symbols::address(tracee.pid(), "libc.so", |symbol| symbol == "abort")?;
    let (begin, end) = symbols::mapping_of(tracee.pid(), tracee.stack_pointer()?)?;
    let (main, _) = symbols::mapping(tracee.pid(), |line| line.ends_with("[stack]"))?;
    let below = end - core_policy::limits::STACK - (64 << 10);
    tracee.end_by_stack(if begin == main { below } else { begin }, entry)
}

fn crash(how: End, thread: impl FnOnce(u32) -> Setup<u32>) -> Setup<()> {
    needs_root("ptrace of a worker that its broker has started")?;
    let (what, signal, words, end) = how;
    let (broker, worker) = busy()?;
    let arguments = ["run", "long", "Once", "-n", "2000", "--ignore-eos"];
    let running = broker.corectl_command(&arguments).stdout(Stdio::piped()).spawn()?;
    std::thread::sleep(Duration::from_millis(200));
    let outcome = end(&Tracee::seize_running(thread(worker)?)?)?;
    ensure(outcome == Outcome::Killed(signal), || format!("{what}: {outcome:?}, not {signal}"))?;
    let text = String::from_utf8_lossy(&running.wait_with_output()?.stdout).into_owned();
    // A stream that had not begun yet begins again on the next worker.
    let told = text.contains("\"WORKER_LOST\"") && text.contains(signal.as_str());
    let resumed = text.contains("\"done\"") && broker.log().contains(signal.as_str());
    ensure(told || resumed, || format!("{what}: {signal}: {}", last_line(&text)))?;
    ensure(!broker.log().contains("SIGSYS"), || format!("{what}: it passes for an attack"))?;
    let said = broker.log().contains(words);
    ensure(said, || format!("{what}: {words:?} did not arrive: {}", broker.log()))
}

/// P14: a worker that crashes leaves no core where it runs; without limits and while it could be
/// dumped, it does.
pub(super) fn no_core_is_left() -> Setup<()> {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern")?;
    if pattern.trim_end() != "core" {
        return skip(format!("cores of this kernel go to {:?}, not to files", pattern.trim_end()));
    }
    let world = World::new()?;
    let install = world.install();
    let bench = Bench { install: &install, variant: VARIANT };
    let cores = || core_files(&install.path().join("target"));
    for (layers, stage) in [(Layers::ALL, Stage::Serve), (Layers::ALL, Stage::Load)] {
        let held = bench.hold(Path::new(&world.model), stage, layers)?;
        held.tracee.end_by_jump(0, &[])?;
        ensure(cores()? == 0, || format!("a core at {stage:?}"))?;
    }
    let held = bench.hold(Path::new(&world.model), Stage::Landlock, Layers::NONE)?;
    let raised = [CORE_BYTES.to_le_bytes(), CORE_BYTES.to_le_bytes()].concat();
    let call = [Arg::Num(0), Arg::Num(RLIMIT_CORE), Arg::Bytes(raised), Arg::Num(0)];
    let outcome = held.tracee.inject(libc::SYS_prlimit64.cast_unsigned(), &call)?;
    if outcome != Outcome::Returned(0) {
        return skip(format!("the control may have no core here: {outcome:?}"));
    }
    held.tracee.end_by_jump(0, &[])?;
    ensure(cores()? == 1, || "invalid: the control left no core either".into())
}

fn core_files(dir: &Path) -> Setup<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(dir)? {
        count += usize::from(entry?.file_name().to_string_lossy().starts_with("core"));
    }
    Ok(count)
}

/// Set by whoever allows that the machine's `core_pattern` changes for a moment.
pub(super) const PIPE: &str = "CORE_PIPE";
const PATTERN: &str = "/proc/sys/kernel/core_pattern";
/// How long a kernel may take to start a handler.
const HANDLED_MAX: Duration = Duration::from_secs(3);

/// The machine's `core_pattern`, given back at the end.
struct Pattern(String);

impl Pattern {
    fn change(to: &str) -> Setup<Self> {
        let before = std::fs::read_to_string(PATTERN)?;
        std::fs::write(PATTERN, to)?;
        Ok(Self(before))
    }
}

impl Drop for Pattern {
    fn drop(&mut self) {
        let _ = std::fs::write(PATTERN, &self.0);
    }
}

/// P14: a handler to which the kernel pipes cores hears nothing of a worker, whose limit on cores
/// does not count there; of one without layers it does.
pub(super) fn no_core_is_piped() -> Setup<()> {
    needs_root("changing core_pattern")?;
    let world = World::new()?;
    let install = world.install();
    let (handler, told) = (install.path().join("handler"), install.path().join("told"));
    std::fs::write(&handler, format!("#!/bin/sh\necho core > {}\n", told.display()))?;
    std::fs::set_permissions(&handler, std::fs::Permissions::from_mode(0o755))?;
    let _pattern = Pattern::change(&format!("|{}", handler.display()))?;
    let bench = Bench { install: &install, variant: VARIANT };
    let heard = |stage, layers| {
        let held = bench.hold(Path::new(&world.model), stage, layers)?;
        held.tracee.end_by_jump(0, &[])?;
        Setup::Ok(processes::wait_for(HANDLED_MAX, || told.exists().then_some(())).is_some())
    };
    ensure(!heard(Stage::Serve, Layers::ALL)?, || "the handler was told of a server".into())?;
    ensure(!heard(Stage::Load, Layers::ALL)?, || "the handler was told of a loader".into())?;
    match heard(Stage::Landlock, Layers::NONE)? {
        true => Ok(()),
        false => Err("invalid: the handler hears of nobody".into()),
    }
}
