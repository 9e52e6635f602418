//! One call of a stopped thread, from its entry to its exit.

use nix::{
    errno::Errno,
    libc::user_regs_struct,
    sys::{
        ptrace,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
};

use super::{
    Outcome, Tracee,
    state::{ended, registers, replaced},
};
use crate::harness::Setup;

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
    fn end(&self) -> Setup<Outcome> {
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
            ptrace::syscall(self.pid, signal.take())?;
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
        Ok(waitpid(self.pid, Some(WaitPidFlag::__WALL))?)
    }
}
