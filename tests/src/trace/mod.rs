//! Holding a live process with ptrace and making it call what it never would.
//!
//! No hook and no test build: the traced program is the one that ships. A call is injected at a
//! `syscall` instruction that the process has anyway, in its vDSO. On a kill the kernel still stops
//! the thread at the exit of the call, with the call's own number in `rax`; so a harmless second
//! call follows, and only a thread that gets that far is said to have returned.

mod calls;
mod edit;
mod memory;
mod state;
mod types;

use std::ffi::c_int;

use nix::{
    errno::Errno,
    libc::user_regs_struct,
    sys::{
        ptrace::{self, Options},
        signal::{Signal, kill},
        wait::WaitStatus,
    },
    unistd::Pid,
};

pub use self::types::{Arg, Call, Outcome, Verdict};
use self::{
    memory::Kept,
    state::{called, ended, registers, restarted},
};
use crate::harness::Setup;

/// Calls that a loading worker makes at most before a stop that is waited for; a tiny model needs
/// some thousand.
const SYSCALLS_MAX: usize = 2_000_000;
/// `PTRACE_EVENT_EXEC`, as waitpid reports it.
const EVENT_EXEC: c_int = nix::libc::PTRACE_EVENT_EXEC;

/// One thread, stopped whenever nothing of this type runs; its process dies with the tracer.
pub struct Tracee {
    pid: Pid,
    /// Its memory as it was opened while everybody of its user could: one that hides itself later
    /// shows it to root alone.
    kept: Option<Kept>,
    /// What started it, held as well: it must not stand still while this one waits for it.
    parent: Option<Pid>,
}

impl Tracee {
    /// Takes hold of a process that has stopped itself and lets it run to its next `execve`.
    ///
    /// # Errors
    /// The process is gone, or may not be traced.
    pub fn seize_until_exec(pid: u32) -> Setup<Self> {
        let mut tracee = Self { pid: Pid::from_raw(pid.cast_signed()), kept: None, parent: None };
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_EXITKILL;
        ptrace::seize(tracee.pid, options)?;
        ptrace::interrupt(tracee.pid)?;
        tracee.wait()?;
        kill(tracee.pid, Signal::SIGCONT)?;
        // Stops for SIGSTOP, SIGCONT and the interrupt, in whatever order; then the exec.
        for _ in 0..16 {
            ptrace::cont(tracee.pid, None)?;
            if let WaitStatus::PtraceEvent(_, _, EVENT_EXEC) = tracee.wait()? {
                // The event lies within execve; what follows must begin at the entry of a call.
                tracee.next_syscall_stop()?;
                tracee.kept = Some(Kept::of(pid)?);
                return Ok(tracee);
            }
        }
        Err("the process did not come to its execve".into())
    }

    /// Takes hold of a running process's main thread.
    ///
    /// # Errors
    /// The process is gone, or may not be traced.
    pub fn seize_running(pid: u32) -> Setup<Self> {
        let tracee = Self { pid: Pid::from_raw(pid.cast_signed()), kept: None, parent: None };
        ptrace::seize(tracee.pid, Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACEEXEC)?;
        ptrace::interrupt(tracee.pid)?;
        tracee.wait()?;
        Ok(tracee)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw().cast_unsigned()
    }

    /// Runs until `judge` holds a call; answers that call, at its exit.
    ///
    /// # Errors
    /// The process ends first.
    pub fn run_until(&self, mut judge: impl FnMut(Call) -> Verdict) -> Setup<Call> {
        for _ in 0..SYSCALLS_MAX {
            self.next_syscall_stop()?;
            let mut regs = ptrace::getregs(self.pid)?;
            let call = called(&regs);
            let verdict = judge(call);
            let answer = verdict.answer();
            if answer.is_some() {
                regs.orig_rax = u64::MAX;
                ptrace::setregs(self.pid, regs)?;
            }
            self.next_syscall_stop()?;
            if let Some(answer) = answer {
                let mut regs = ptrace::getregs(self.pid)?;
                regs.rax = answer.cast_unsigned();
                ptrace::setregs(self.pid, regs)?;
            }
            if matches!(verdict, Verdict::Hold | Verdict::RemoveAndHold) {
                return Ok(call);
            }
        }
        Err(format!("{SYSCALLS_MAX} calls and none was held").into())
    }

    /// Makes the thread call `number`, and tells what became of it.
    ///
    /// # Errors
    /// The process cannot be controlled; says nothing about the call.
    pub fn inject(&self, number: u64, arguments: &[Arg]) -> Setup<Outcome> {
        let before = ptrace::getregs(self.pid)?;
        let (at, values) = self.place(&before, arguments)?;
        let answer = match self.call(&before, at, number, values)? {
            Ok(answer) => answer,
            Err(replaced @ Outcome::Returned(_)) => {
                // The event lies within execve; what follows must begin at its exit.
                self.next_syscall_stop()?;
                return Ok(replaced);
            }
            Err(ended) => return Ok(ended),
        };
        // The harmless call: whoever was killed does not get to it.
        if let Err(ended) = self.call(&before, at, GETPID, [0; 6])? {
            return Ok(ended);
        }
        match ptrace::setregs(self.pid, restarted(before)) {
            // Another thread, perhaps one that the call has started, has ended all of it meanwhile.
            Err(Errno::ESRCH) => self.end(),
            restored => Ok(restored.map(|()| Outcome::Returned(answer))?),
        }
    }

    /// Where the thread's stack is.
    ///
    /// # Errors
    /// It is gone.
    pub fn stack_pointer(&self) -> Setup<u64> {
        Ok(ptrace::getregs(self.pid)?.rsp)
    }

    /// The seccomp programs that the kernel holds for the thread, the oldest first.
    ///
    /// # Errors
    /// The test is not privileged enough to read them.
    pub fn filters(&self) -> Setup<Vec<Vec<core_policy::seccomp::Insn>>> {
        Ok(core_policy::seccomp::dump(self.pid)?)
    }

    /// Lets the process go on without a tracer.
    ///
    /// # Errors
    /// The process is gone.
    pub fn detach(self) -> Setup<()> {
        ptrace::detach(self.pid, None)?;
        Ok(())
    }

    /// Makes the thread call `number` and lets it run on to the end of its process, signals of its
    /// own making included.
    ///
    /// # Errors
    /// It is already gone.
    pub fn end_by_call(&self, number: u64, arguments: &[Arg]) -> Setup<Outcome> {
        let before = ptrace::getregs(self.pid)?;
        let (at, values) = self.place(&before, arguments)?;
        ptrace::setregs(self.pid, registers(&before, at, number, values))?;
        self.run_to_end()
    }

    /// Makes the thread enter the function at `address` and lets it run on to the end of its
    /// process.
    ///
    /// # Errors
    /// It is already gone.
    pub fn end_by_jump(&self, address: u64, arguments: &[Arg]) -> Setup<Outcome> {
        self.enter(address, arguments)?;
        self.run_to_end()
    }

    /// Has the thread enter the function at `address` as soon as it goes on.
    ///
    /// # Errors
    /// It is already gone.
    pub fn enter(&self, address: u64, arguments: &[Arg]) -> Setup<()> {
        let before = ptrace::getregs(self.pid)?;
        let (_, values) = self.place(&before, arguments)?;
        let entered = registers(&before, address, 0, values);
        // A function finds its return address here, and the stack aligned as the ABI has it.
        let rsp = ((before.rsp - memory::FRAME_BELOW) & !0xf) - 8;
        Ok(ptrace::setregs(self.pid, user_regs_struct { rsp, ..entered })?)
    }

    /// Makes the thread push onto a stack that ends at `address`.
    ///
    /// # Errors
    /// It is already gone.
    pub fn end_by_stack(&self, address: u64, entry: u64) -> Setup<Outcome> {
        let before = ptrace::getregs(self.pid)?;
        let (rip, rsp, orig_rax) = (entry, address, u64::MAX);
        ptrace::setregs(self.pid, user_regs_struct { rip, rsp, orig_rax, ..before })?;
        self.run_to_end()
    }

    /// Where a `syscall` instruction is, and the six register values. What is there now comes
    /// first: after an execve the memory that was kept is nobody's any more.
    fn place(&self, before: &user_regs_struct, arguments: &[Arg]) -> Setup<(u64, [u64; 6])> {
        let now = Kept::of(self.pid());
        let kept = match (&now, &self.kept) {
            (Ok(kept), _) | (Err(_), Some(kept)) => kept,
            (Err(error), None) => return Err(error.to_string().into()),
        };
        Ok((kept.at, kept.place(self.pid(), before.rsp, arguments)?))
    }

    fn run_to_end(&self) -> Setup<Outcome> {
        let mut signal = None;
        loop {
            ptrace::cont(self.pid, signal.take())?;
            let status = self.wait()?;
            if let Some(outcome) = ended(status) {
                return Ok(outcome);
            }
            if let WaitStatus::Stopped(_, received) = status {
                signal = Some(received);
            }
        }
    }
}

/// Harmless, and allowed at every stage: `abort()` needs it.
const GETPID: u64 = nix::libc::SYS_getpid.cast_unsigned();
