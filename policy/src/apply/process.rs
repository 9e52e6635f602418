//! Attributes of the process: what it may gain, who may look at it, when it dies.

use std::fs::OpenOptions;
use std::io::Write;
use std::process;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};

use super::ApplyError;
use crate::report::{How, Row, layer};
use crate::sys;
use crate::verify::Status;

/// The kernel's highest readiness to be killed for memory (proc(5), oom_score_adj).
const OOM_FIRST: &str = "1000";

/// Asserts that no thread was started yet: Landlock and LOAD bind only the calling thread.
///
/// # Errors
/// [`ApplyError::NotHeld`] with the number of threads.
pub fn assert_single_thread() -> Result<Row, ApplyError> {
    let status = Status::own().map_err(ApplyError::Unreadable)?;
    match status.threads {
        1 => Ok(Row::yes(layer::SINGLE_THREAD, How::OwnWord, "1 thread")), // guard
        threads => Err(ApplyError::NotHeld {
            layer: layer::SINGLE_THREAD.text,
            found: format!("{threads} threads before the lockdown"),
        }),
    }
}

/// Asks for SIGKILL when the broker's main thread ends, then checks that it has not ended already.
///
/// exec keeps the request, but a change of credentials clears it, so it is made again after exec.
///
/// # Errors
/// [`ApplyError::Orphan`] when the parent is not `parent` any more.
pub fn die_with_parent(parent: i32) -> Result<Row, ApplyError> {
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(ApplyError::call(layer::PDEATHSIG))?;
    let found = getppid();
    if found != Pid::from_raw(parent) {
        // guard
        return Err(ApplyError::Orphan { expected: parent, found: found.as_raw() });
    }
    Ok(Row::yes(layer::PDEATHSIG, How::OwnWord, "SIGKILL"))
}

/// Offers this process to the out-of-memory killer before all others.
///
/// Only possible while dumpable, and only while the domain still shows /proc.
pub fn oom_first() -> Row {
    // Neither created nor truncated: the broker's domain grants only writing beneath /proc.
    let file = OpenOptions::new().write(true).open("/proc/self/oom_score_adj");
    match file.and_then(|mut file| file.write_all(OOM_FIRST.as_bytes())) {
        Ok(()) => Row::yes(layer::OOM_SCORE, How::OwnWord, OOM_FIRST),
        Err(error) => Row::no(layer::OOM_SCORE, How::OwnWord, error.kind().to_string()),
    }
}

/// Gives up ever gaining privileges by exec.
///
/// # Errors
/// [`ApplyError`] when the kernel refuses or forgets.
pub fn no_new_privs() -> Result<Row, ApplyError> {
    prctl::set_no_new_privs().map_err(ApplyError::call(layer::NO_NEW_PRIVS))?;
    match prctl::get_no_new_privs() {
        Ok(true) => Ok(Row::yes(layer::NO_NEW_PRIVS, How::OwnWord, "1")), // guard
        other => Err(ApplyError::NotHeld {
            layer: layer::NO_NEW_PRIVS.text,
            found: format!("{other:?}"),
        }),
    }
}

/// Refuses executable memory that was not executable from its start (PR_SET_MDWE, Linux 6.3).
pub fn refuse_exec_gain() -> Row {
    let flags = libc::c_ulong::from(libc::PR_MDWE_REFUSE_EXEC_GAIN);
    match sys::prctl(libc::PR_SET_MDWE, [flags, 0, 0, 0]) {
        Ok(_) => Row::yes(layer::MDWE, How::OwnWord, "refuse exec gain"),
        Err(errno) => Row::no(layer::MDWE, How::OwnWord, errno.to_string()),
    }
}

/// Says that MDWE was left out: a driver may make code for the host while it starts, when only
/// trusted libraries run. From LOAD on the filters refuse executable memory all the same.
pub fn exec_gain_left() -> Row {
    Row::no(layer::MDWE, How::OwnWord, "left out for a driver; the filters refuse it from LOAD on")
}

/// Makes this process not dumpable: no core, no ptrace and no /proc/PID/mem for its own user.
///
/// Comes after the broker looked, because it closes /proc/PID/fd to the broker too.
///
/// # Errors
/// [`ApplyError`] when the kernel refuses or forgets.
pub fn hide() -> Result<Row, ApplyError> {
    prctl::set_dumpable(false).map_err(ApplyError::call(layer::DUMPABLE))?;
    match prctl::get_dumpable() {
        Ok(false) => Ok(Row::yes(layer::DUMPABLE, How::OwnWord, "0")), // guard
        Ok(true) | Err(_) => Err(ApplyError::NotHeld {
            layer: layer::DUMPABLE.text,
            found: format!("process {} is dumpable", process::id()),
        }),
    }
}
