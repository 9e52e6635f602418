//! The filters that the kernel holds for a thread, as a tracer with CAP_SYS_ADMIN reads them.
//!
//! Nothing of a running system uses this: it is how the conformance suite and an administrator see
//! what is really installed, instead of what was meant to be.

use nix::{errno::Errno, unistd::Pid};

use super::Insn;
use crate::sys;

/// Filters that one thread may have; a worker has seven at most, the kernel allows some hundred.
const FILTERS_MAX: usize = 64;

/// The programs of a thread that the caller traces and has stopped, the oldest first.
///
/// # Errors
/// EACCES without CAP_SYS_ADMIN, ESRCH when the thread is not stopped by the caller, EOPNOTSUPP
/// when it has no filter, E2BIG for more than 64 filters (ptrace(2), PTRACE_SECCOMP_GET_FILTER,
/// Linux 4.4).
pub fn dump(thread: Pid) -> Result<Vec<Vec<Insn>>, Errno> {
    let mut programs = Vec::new();
    for index in 0..FILTERS_MAX {
        match sys::seccomp_get_filter(thread, index) {
            Ok(program) => programs.push(program.iter().map(Insn::from).collect()),
            Err(Errno::ENOENT) => return Ok(programs),
            Err(error) => return Err(error),
        }
    }
    Err(Errno::E2BIG)
}

impl From<&sys::SockFilter> for Insn {
    fn from(raw: &sys::SockFilter) -> Self {
        Self { code: raw.code, jt: raw.jt, jf: raw.jf, k: raw.k }
    }
}
