//! Registers of a stopped thread, and what its stops mean.

use nix::{libc::user_regs_struct, sys::wait::WaitStatus};

use super::{Call, EVENT_EXEC, Outcome, Verdict};

/// A call that was interrupted by the stop is to be made again when the thread goes on.
pub(super) fn restarted(mut regs: user_regs_struct) -> user_regs_struct {
    // ERESTARTSYS to ERESTART_RESTARTBLOCK, include/linux/errno.h: never seen by a program.
    let interrupted = (-516..=-512).contains(&regs.rax.cast_signed());
    if interrupted && regs.orig_rax != u64::MAX {
        regs.rax = regs.orig_rax;
        regs.rip -= 2;
    }
    regs
}

/// The registers of a thread that is about to make a call.
pub(super) fn registers(
    before: &user_regs_struct,
    at: u64,
    nr: u64,
    values: [u64; 6],
) -> user_regs_struct {
    let [rdi, rsi, rdx, r10, r8, r9] = values;
    let (rip, rax, orig_rax) = (at, nr, u64::MAX);
    user_regs_struct { rip, rax, orig_rax, rdi, rsi, rdx, r10, r8, r9, ..*before }
}

/// The call that a thread is about to make.
pub(super) fn called(regs: &user_regs_struct) -> Call {
    let arguments = [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9];
    Call { number: regs.orig_rax, arguments }
}

impl Verdict {
    /// What the thread is told in the place of the kernel's answer.
    pub(super) fn answer(self) -> Option<i64> {
        match self {
            Self::Pass | Self::Hold => None,
            Self::Answer(answer) => Some(answer),
            Self::RemoveAndHold => Some(0),
        }
    }
}

/// Another program runs: an execve that worked.
pub(super) fn replaced(status: WaitStatus) -> Option<Outcome> {
    let exec = matches!(status, WaitStatus::PtraceEvent(_, _, EVENT_EXEC));
    exec.then_some(Outcome::Returned(0))
}

pub(super) fn ended(status: WaitStatus) -> Option<Outcome> {
    match status {
        WaitStatus::Signaled(_, signal, _) => Some(Outcome::Killed(signal)),
        WaitStatus::Exited(_, code) => Some(Outcome::Exited(code)),
        _ => None,
    }
}
