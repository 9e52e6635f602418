//! Changing what a held process is about to ask of the kernel: its memory, one argument of a call,
//! and the processes that it starts. So a protection is taken away in part, and nothing is rebuilt.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt,
    thread::sleep,
    time::Duration,
};

use nix::{
    libc,
    sys::{
        ptrace::{self, Options},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

use super::{Tracee, state::ended};
use crate::harness::Setup;

/// Most bytes that are read at once: the longest program of seccomp(2), 4096 instructions of 8.
const READ_MAX: usize = 32 << 10;
/// Between two looks whether a held process started another one.
const LOOK_EACH: Duration = Duration::from_millis(1);
/// Signals that reach a process at most while it is being stopped.
const SIGNALS_MAX: usize = 8;
/// `PTRACE_EVENT_FORK` and `PTRACE_EVENT_VFORK`, as waitpid reports them.
const FORK: i32 = libc::PTRACE_EVENT_FORK;
const VFORK: i32 = libc::PTRACE_EVENT_VFORK;

impl Tracee {
    /// Takes hold of a running process's main thread, and of every process that it starts from now
    /// on.
    ///
    /// # Errors
    /// The process is gone, or may not be traced.
    pub fn seize_forking(pid: u32) -> Setup<Self> {
        let tracee = Self { pid: Pid::from_raw(pid.cast_signed()), kept: None, parent: None };
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK;
        ptrace::seize(tracee.pid, options)?;
        ptrace::interrupt(tracee.pid)?;
        tracee.wait()?;
        Ok(tracee)
    }

    /// Lets a stopped process go on, still held.
    ///
    /// # Errors
    /// It is gone.
    pub fn resume(&self) -> Setup<()> {
        Ok(ptrace::cont(self.pid, None)?)
    }

    /// Stops a process that runs.
    ///
    /// # Errors
    /// It is gone, or starts another process just now.
    pub fn pause(&self) -> Setup<()> {
        // A stop for a signal takes the place of the one that was asked for.
        for _ in 0..SIGNALS_MAX {
            ptrace::interrupt(self.pid)?;
            match self.wait()? {
                WaitStatus::PtraceEvent(_, _, libc::PTRACE_EVENT_STOP) => return Ok(()),
                WaitStatus::Stopped(_, signal) => ptrace::cont(self.pid, signal)?,
                other => return Err(format!("it stopped otherwise: {other:?}").into()),
            }
        }
        Err(format!("{SIGNALS_MAX} signals and no stop").into())
    }

    /// The next process that this one starts, stopped as it begins, and this one stopped too;
    /// `None` once `over` holds. The process must be running.
    ///
    /// # Errors
    /// It ended.
    pub fn next_child(&self, mut over: impl FnMut() -> bool) -> Setup<Option<Self>> {
        while !over() {
            match waitpid(self.pid, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG))? {
                WaitStatus::StillAlive => sleep(LOOK_EACH),
                WaitStatus::Stopped(_, signal) => ptrace::cont(self.pid, signal)?,
                other => {
                    if let Some(outcome) = ended(other) {
                        return Err(format!("the process ended: {outcome:?}").into());
                    }
                    if let Some(child) = self.born(other)? {
                        return Ok(Some(child));
                    }
                    ptrace::cont(self.pid, None)?;
                }
            }
        }
        Ok(None)
    }

    /// The process that an event tells of, stopped as it begins.
    fn born(&self, status: WaitStatus) -> Setup<Option<Self>> {
        let WaitStatus::PtraceEvent(_, _, FORK | VFORK) = status else {
            return Ok(None);
        };
        let pid = Pid::from_raw(i32::try_from(ptrace::getevent(self.pid)?)?);
        let child = Self { pid, kept: None, parent: Some(self.pid) };
        child.wait()?;
        Ok(Some(child))
    }

    /// Stops a process that runs and lets it go on without a tracer.
    ///
    /// # Errors
    /// It is gone.
    pub fn release(self) -> Setup<()> {
        ptrace::interrupt(self.pid)?;
        let status = self.wait()?;
        if let Some(child) = self.born(status)? {
            child.detach()?;
        }
        if let WaitStatus::Stopped(_, signal) = status {
            return Ok(ptrace::detach(self.pid, signal)?);
        }
        self.detach()
    }

    /// Bytes of the process's memory.
    ///
    /// # Errors
    /// They are not mapped, or more than a filter ever has.
    pub fn read(&self, at: u64, len: usize) -> Setup<Vec<u8>> {
        if len > READ_MAX {
            return Err(format!("{len} bytes; at most {READ_MAX} are read").into());
        }
        let mut bytes = vec![0; len];
        File::open(format!("/proc/{}/mem", self.pid))?.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }

    /// Replaces bytes of the process's memory.
    ///
    /// # Errors
    /// They are not mapped.
    pub fn write(&self, at: u64, bytes: &[u8]) -> Setup<()> {
        let memory = OpenOptions::new().write(true).open(format!("/proc/{}/mem", self.pid))?;
        Ok(memory.write_all_at(bytes, at)?)
    }

    /// Replaces one of the first three arguments of the call at whose entry the thread is held.
    ///
    /// # Errors
    /// The thread is gone, or the argument is not one of these.
    pub fn set_argument(&self, index: usize, value: u64) -> Setup<()> {
        let mut regs = ptrace::getregs(self.pid)?;
        match index {
            0 => regs.rdi = value,
            1 => regs.rsi = value,
            2 => regs.rdx = value,
            _ => return Err(format!("argument {index}; only 0 to 2 are replaced").into()),
        }
        Ok(ptrace::setregs(self.pid, regs)?)
    }
}
