//! The broker's end: makes the segments, writes B, reads W and believes nothing in it.

mod jobs;
mod pace;
mod tokens;
#[cfg(any(test, feature = "broker"))]
mod wait;

#[cfg(test)]
mod tests;

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use thiserror::Error;

use crate::layout::{Layout, LayoutError};
use crate::memory::seal::{self, Exec, Segment, SegmentError};
use crate::memory::{Own, Peer};
pub use jobs::{JobSender, Space};
pub use tokens::TokenReceiver;

/// Why a pair of rings could not be made. Nothing of it is left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CreateError {
    /// The layout is impossible.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A segment could not be made, or the kernel did not seal it as asked.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The eventfd could not be made.
    #[error("cannot make the bell: {0}")]
    Bell(Errno),
}

/// The descriptors that the worker inherits as 3, 4 and 5. All are close-on-exec here.
///
/// Drop it as soon as the child has them: the broker keeps mappings, not descriptors.
#[derive(Debug)]
pub struct WorkerFds {
    /// Eventfd, non-blocking: the worker writes it, the broker polls it.
    pub bell: OwnedFd,
    /// Segment B, which nobody can map writable any more.
    pub b: OwnedFd,
    /// Segment W.
    pub w: OwnedFd,
    exec: Exec,
}

impl WorkerFds {
    /// Names of protections that this kernel lacks, for `status` and `audit`; empty from Linux 6.3.
    #[must_use]
    pub fn degraded(&self) -> &'static [&'static str] {
        match self.exec {
            Exec::Sealed => &[],
            Exec::Open => &["ring.noexec_seal"],
        }
    }
}

/// Both directions of the broker's end.
#[derive(Debug)]
pub struct BrokerEnd {
    /// Jobs to the worker.
    pub jobs: JobSender,
    /// Tokens from the worker.
    pub tokens: TokenReceiver,
}

impl BrokerEnd {
    /// Parts the directions, so that one task can await tokens while another pushes jobs.
    #[must_use]
    pub fn split(self) -> (JobSender, TokenReceiver) {
        (self.jobs, self.tokens)
    }
}

/// Makes both segments and the bell: map, seal, then ask the kernel whether it is so.
///
/// # Errors
/// [`CreateError`] if the layout is impossible, a call fails, or size or seals differ from what was
/// asked for; the broker must then not start the worker.
pub fn create(layout: &Layout) -> Result<(BrokerEnd, WorkerFds), CreateError> {
    layout.check()?;
    let b = seal::create(Segment::B, layout.b_bytes)?;
    let w = seal::create(Segment::W, layout.w_bytes)?;
    // Before the seals: F_SEAL_FUTURE_WRITE spares only mappings that exist.
    let own =
        Own::map(b.as_fd(), layout.b_bytes).map_err(SegmentError::call(Segment::B, "mmap"))?;
    let peer =
        Peer::map(w.as_fd(), layout.w_bytes).map_err(SegmentError::call(Segment::W, "mmap"))?;
    seal::apply(Segment::B, &b)?;
    seal::apply(Segment::W, &w)?;
    let exec_b = seal::verify(Segment::B, b.as_fd(), layout.b_bytes)?;
    let exec_w = seal::verify(Segment::W, w.as_fd(), layout.w_bytes)?;
    let exec = if exec_b == exec_w { exec_b } else { Exec::Open };
    let bell = eventfd().map_err(CreateError::Bell)?;
    let ours = bell.try_clone().map_err(|error| CreateError::Bell(errno_of(&error)))?;
    let jobs = JobSender::new(own.clone(), peer.clone(), layout);
    let tokens = TokenReceiver::new(own, peer, layout, ours);
    Ok((BrokerEnd { jobs, tokens }, WorkerFds { bell, b, w, exec }))
}

fn eventfd() -> Result<OwnedFd, Errno> {
    let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
    Ok(EventFd::from_flags(flags)?.into())
}

fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
