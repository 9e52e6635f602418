//! The doorbell from broker to worker: a word in B that the broker bumps and the worker sleeps on.
//!
//! futex(2) works on a read-only mapping for FUTEX_WAIT, so the worker needs neither a descriptor
//! nor a call that its last filter denies. The futex is a shared one: FUTEX_PRIVATE_FLAG would
//! look the word up by address space.

use std::time::Duration;

use nix::errno::Errno;

use crate::layout::Control;
use crate::memory::{Own, Peer};
use crate::primitive::Peek;

/// Bumps the bell, then wakes every sleeping thread of the worker.
pub(crate) fn ring(own: &Own) {
    own.bump(Control::Pulse);
    let word = own.futex(Control::Pulse);
    // SAFETY: FUTEX_WAKE only uses the address as a key; the word is mapped as long as `own`.
    let answer = unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE, i32::MAX) };
    debug_assert!(answer >= 0, "FUTEX_WAKE on a mapped word cannot fail");
}

/// The bell's value; read it before announcing a sleep.
#[expect(clippy::cast_possible_truncation, reason = "a futex is the low half of its cell")]
pub(crate) fn value(peer: &Peer) -> u32 {
    peer.control(Control::Pulse) as u32
}

/// Sleeps until the bell is no longer `seen` or the timeout has passed; may also wake early.
pub(crate) fn wait(peer: &Peer, seen: u32, timeout: Duration) -> Result<(), Errno> {
    let word = peer.futex(Control::Pulse);
    let limit = libc::timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    };
    // SAFETY: FUTEX_WAIT reads the word, which is mapped as long as `peer`, and the timespec,
    // which lives across the call; it writes nothing.
    let answer =
        unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAIT, seen, &raw const limit) };
    match Errno::result(answer) {
        Ok(_) | Err(Errno::EAGAIN | Errno::EINTR | Errno::ETIMEDOUT) => Ok(()),
        Err(errno) => Err(errno),
    }
}
