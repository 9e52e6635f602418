//! A kernel with an older Landlock, played by a tracer around the broker and all that it starts:
//! the question for the ABI is answered with another number, every other call is the kernel's own.
//! A filter cannot do this, because it can answer nothing but errors.

use std::{
    ffi::c_int,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Command, ExitCode, ExitStatus},
};

use core_tests::harness::Setup;
use nix::{
    libc,
    sys::{
        ptrace::{self, Options},
        signal::{Signal, kill, raise},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// The first argument of the tracer; then the number that it answers, then the command.
const AGED: &str = "--landlock-abi";
/// The first argument of the process that stops, is traced and becomes the command.
const ASKING: &str = "--asks-for-the-abi";
/// `LANDLOCK_CREATE_RULESET_VERSION`: with this flag the call only asks.
const VERSION: u64 = 1;
/// `PTRACE_EVENT_SECCOMP`, as waitpid reports it.
const EVENT_SECCOMP: c_int = libc::PTRACE_EVENT_SECCOMP;

/// The program and first arguments that go in front of a command.
pub(crate) fn wrapper(abi: u32) -> Setup<Vec<String>> {
    let own = std::env::current_exe()?.to_string_lossy().into_owned();
    Ok(vec![own, AGED.into(), abi.to_string()])
}

/// Traces or becomes the wrapped command, when this process was started to; how to end.
pub(crate) fn wrapped() -> Option<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let ended = match words.first()?.as_str() {
        AGED => aged(&words[1..]),
        ASKING => asking(&words[1..]),
        _ => return None,
    };
    Some(ended.unwrap_or_else(|error| {
        println!("{}: {error}", words[0]);
        ExitCode::from(FAILED)
    }))
}

/// An exit code that no broker has.
const FAILED: u8 = 111;

/// Has the question for the ABI stop, and becomes the command.
fn asking(command: &[String]) -> Setup<ExitCode> {
    let (program, arguments) = command.split_first().ok_or("no command")?;
    let asks = SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, VERSION)?;
    let rules = [(libc::SYS_landlock_create_ruleset, vec![SeccompRule::new(vec![asks])?])];
    let (allow, trace) = (SeccompAction::Allow, SeccompAction::Trace(0));
    let filter = SeccompFilter::new(rules.into(), allow, trace, TargetArch::x86_64)?;
    raise(Signal::SIGSTOP)?;
    seccompiler::apply_filter(&BpfProgram::try_from(filter)?)?;
    Err(Command::new(program).args(arguments).exec().into())
}

/// Starts the command and answers its questions, and those of its children, until it ends.
fn aged(words: &[String]) -> Setup<ExitCode> {
    let (abi, command) = words.split_first().ok_or("no number")?;
    let abi = abi.parse()?;
    let child = Command::new(std::env::current_exe()?).arg(ASKING).args(command).spawn()?;
    let child = Pid::from_raw(child.id().cast_signed());
    waitpid(child, Some(WaitPidFlag::WUNTRACED))?;
    let options = Options::PTRACE_O_TRACESECCOMP
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(child, options)?;
    kill(child, Signal::SIGCONT)?;
    loop {
        let status = waitpid(None, Some(WaitPidFlag::__WALL))?;
        let (pid, signal) = match status {
            WaitStatus::Exited(pid, code) if pid == child => {
                return Ok(ExitCode::from(u8::try_from(code)?));
            }
            WaitStatus::Signaled(pid, signal, _) if pid == child => {
                return Err(ExitStatus::from_raw(signal as i32).to_string().into());
            }
            WaitStatus::PtraceEvent(pid, _, EVENT_SECCOMP) => {
                answer(pid, abi)?;
                (pid, None)
            }
            WaitStatus::PtraceEvent(pid, ..) => (pid, None),
            WaitStatus::Stopped(pid, signal) => (pid, Some(signal)),
            _ => continue,
        };
        // One that was killed meanwhile is reported as ended next.
        let _ = ptrace::cont(pid, signal);
    }
}

/// Answers in the kernel's place: the call is left out.
fn answer(pid: Pid, abi: u64) -> Setup<()> {
    let mut regs = ptrace::getregs(pid)?;
    regs.orig_rax = u64::MAX;
    regs.rax = abi;
    Ok(ptrace::setregs(pid, regs)?)
}
