//! Descriptors that somebody named by number on the broker's command line.

use std::collections::BTreeSet;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use super::FdError;
use crate::sys;

/// Set once [`claim_given`] ran, so that no number becomes owned twice.
static CLAIMED: AtomicBool = AtomicBool::new(false);

/// Takes ownership of descriptors that the process was started with, in the order of `numbers`.
///
/// Must be the first thing a process does that concerns descriptors: a number that the process has
/// opened itself in the meantime would get a second owner. Runs once, for all numbers together.
///
/// # Errors
/// [`FdError::Missing`] for a number that is not open, [`FdError::Taken`] for a number that is
/// named twice and for a second call.
pub fn claim_given(numbers: &[RawFd]) -> Result<Vec<OwnedFd>, FdError> {
    let distinct: BTreeSet<_> = numbers.iter().collect();
    if distinct.len() != numbers.len() || CLAIMED.swap(true, Ordering::SeqCst) {
        return Err(FdError::Taken);
    }
    match numbers.iter().find(|fd| **fd < 0 || !sys::is_open(**fd)) {
        Some(closed) => Err(FdError::Missing(*closed)),
        None => Ok(numbers.iter().copied().map(sys::claim).collect()),
    }
}
