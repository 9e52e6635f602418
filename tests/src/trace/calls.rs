//! One call of a stopped thread, from its entry to its exit.

use std::{
    thread::{sleep, yield_now},
    time::Duration,
};

use nix::{
    errno::Errno,
    libc::user_regs_struct,
    sys::{
        ptrace,
        wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
    },
    unistd::Pid,
};

use super::{
    Outcome, Tracee,
    state::{ended, registers, replaced},
};
use crate::harness::Setup;

/// Looks for a stop without a rest between them; most calls are that near.
const LOOKS_AT_ONCE: u32 = 200;
/// The rest between two looks after those.
const LOOK_EACH: Duration = Duration::from_micros(100);

impl Tracee {
    /// Makes the thread call `number`: what the kernel answered, or how its process ended
    /// meanwhile. That may come of another thread, so between any two steps.
    pub(super) fn call(
        &self,
        before: &user_regs_struct,
        at: u64,
        number: u64,
        values: [u64; 6],
    ) -> Setup<Result<i64, Outcome>> {
        match self.call_once(before, at, number, values) {
            Err(error) if error.downcast_ref() == Some(&Errno::ESRCH) => Ok(Err(self.end()?)),
            answer => answer,
        }
    }

    /// How the process ended.
    pub(super) fn end(&self) -> Setup<Outcome> {
        loop {
            if let Some(outcome) = ended(self.wait()?) {
                return Ok(outcome);
            }
        }
    }

    fn call_once(
        &self,
        before: &user_regs_struct,
        at: u64,
        number: u64,
        values: [u64; 6],
    ) -> Setup<Result<i64, Outcome>> {
        ptrace::setregs(self.pid, registers(before, at, number, values))?;
        for _ in ["entry", "exit"] {
            ptrace::syscall(self.pid, None)?;
            let status = self.wait()?;
            if let Some(outcome) = ended(status).or(replaced(status)) {
                return Ok(Err(outcome));
            }
        }
        Ok(Ok(ptrace::getregs(self.pid)?.rax.cast_signed()))
    }

    pub(super) fn next_syscall_stop(&self) -> Setup<()> {
        let mut signal = None;
        loop {
            // One that was killed as it stood has to be waited for too, or it stays a zombie that
            // nobody else can reap, and whoever started it never sees it end.
            match ptrace::syscall(self.pid, signal.take()) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => return Err(error.into()),
            }
            match self.wait()? {
                WaitStatus::PtraceSyscall(_) => return Ok(()),
                WaitStatus::Stopped(_, received) => signal = Some(received),
                other => match ended(other) {
                    Some(outcome) => return Err(format!("the process ended: {outcome:?}").into()),
                    None => continue,
                },
            }
        }
    }

    pub(super) fn wait(&self) -> Setup<WaitStatus> {
        let Some(parent) = self.parent else {
            return Ok(waitpid(self.pid, Some(WaitPidFlag::__WALL))?);
        };
        let mut looks = 0..LOOKS_AT_ONCE;
        loop {
            let status = waitpid(self.pid, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG))?;
            if status != WaitStatus::StillAlive {
                return Ok(status);
            }
            pass_signal_on(parent)?;
            match looks.next() {
                Some(_) => yield_now(),
                None => sleep(LOOK_EACH),
            }
        }
    }
}

/// Lets a held process go on that stopped for a signal: what it started may wait for it. Other
/// stops stay for whoever waits for those.
fn pass_signal_on(pid: Pid) -> Setup<()> {
    let peek = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    let WaitStatus::Stopped(_, signal) = waitid(Id::Pid(pid), peek | WaitPidFlag::__WALL)? else {
        return Ok(());
    };
    waitpid(pid, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG))?;
    Ok(ptrace::cont(pid, signal)?)
}
