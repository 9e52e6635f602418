//! A lock that the broker before this one may still hold for a moment.

#![forbid(unsafe_code)]

use std::{
    os::fd::OwnedFd,
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

/// How long a lock is waited for. A broker that was told to end has answered before it is gone, and
/// whoever starts the next one at once is not to be refused; one that serves is not waited for
/// longer than a person notices.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two attempts: flock(2) has no timeout of its own.
const PAUSE: Duration = Duration::from_millis(10);

/// Locks `file` alone, waiting for at most a second.
///
/// # Errors
/// EWOULDBLOCK when another process keeps it, else what flock(2) answers.
pub(super) fn exclusive(file: OwnedFd) -> Result<Flock<OwnedFd>, Errno> {
    let end = Instant::now() + PATIENCE;
    let mut file = file;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Err((back, Errno::EWOULDBLOCK)) if Instant::now() < end => file = back,
            outcome => return outcome.map_err(|(_, errno)| errno),
        }
        thread::sleep(PAUSE);
    }
}
