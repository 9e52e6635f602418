//! How a worker ends: visibly, and without running any code on the way.

use nix::sys::signal::Signal;

use super::ApplyError;
use crate::sys;

/// Signals of a crash. Rust's runtime catches SIGSEGV and SIGBUS to tell of a stack overflow and
/// ends by calling rt_sigaction, which SERVE kills: every crash would look like an attack.
const CRASHES: [Signal; 5] =
    [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGILL, Signal::SIGFPE, Signal::SIGABRT];

/// Gives the signals of a crash back to the kernel, so that the broker sees which it was.
///
/// Call it first of all.
///
/// # Errors
/// [`ApplyError::Call`], which valid signal numbers rule out.
pub fn default_signals() -> Result<(), ApplyError> {
    let failed = |source| ApplyError::Call { layer: "the default of a crash's signal", source };
    CRASHES.into_iter().try_for_each(sys::signal_default).map_err(failed)
}

/// Ends the process with `code` at once.
///
/// A worker leaves only so: exit handlers of libraries and the runtime's farewell to its threads
/// make calls that SERVE forbids.
pub fn leave(code: i32) -> ! {
    sys::exit_now(code)
}
