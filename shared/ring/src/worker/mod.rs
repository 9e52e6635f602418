//! The worker's end. After [`attach`] it needs futex, write on the bell and clock_gettime, nothing
//! else: no allocation, no poll, no read, no fcntl.

#[cfg(feature = "forge")]
mod forge;
mod jobs;
mod tokens;

#[cfg(test)]
mod tests;

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::unistd::write;
use thiserror::Error;

use crate::layout::{Layout, LayoutError};
use crate::memory::seal::{self, Segment, SegmentError};
use crate::memory::{Fixed, Own, Peer};
use crate::primitive::Bell;
#[cfg(feature = "forge")]
pub use forge::{Forged, Forger};
pub use jobs::{JobReceiver, Wake};
pub use tokens::TokenSender;

/// Why the inherited descriptors are not a pair of rings. The worker must not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AttachError {
    /// The layout is impossible.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A segment has another size or other seals, or cannot be mapped.
    #[error(transparent)]
    Segment(#[from] SegmentError),
}

/// Both directions of the worker's end.
#[derive(Debug)]
pub struct WorkerEnd {
    /// Jobs from the broker.
    pub jobs: JobReceiver,
    /// Tokens to the broker.
    pub tokens: TokenSender,
    fixed: Fixed,
}

impl WorkerEnd {
    /// Names of protections that this kernel lacks, for READY; empty from Linux 6.10.
    #[must_use]
    pub fn degraded(&self) -> &'static [&'static str] {
        match self.fixed {
            Fixed::Sealed => &[],
            Fixed::Unsealed => &["ring.mseal"],
        }
    }

    /// Parts the directions.
    #[must_use]
    pub fn split(self) -> (JobReceiver, TokenSender) {
        (self.jobs, self.tokens)
    }
}

/// The worker's eventfd, shared by both directions.
#[derive(Clone, Debug)]
struct Eventfd(Arc<OwnedFd>);

impl Eventfd {
    /// One write if the broker sleeps. A full counter can only come from the worker itself and
    /// then costs it its own wake-ups, so the answer does not matter.
    fn settle(&self, bell: Bell) {
        if bell == Bell::Due {
            let _written = write(self.0.as_fd(), &1_u64.to_ne_bytes());
        }
    }
}

/// Checks size and seals of both segments, maps B read-only and W writable, fixes both mappings
/// with mseal(2) where the kernel has it, and closes `b` and `w`.
///
/// Call it once, before any filter.
///
/// # Errors
/// [`AttachError`]; both descriptors are closed then too.
pub fn attach(
    b: OwnedFd,
    w: OwnedFd,
    bell: OwnedFd,
    layout: &Layout,
) -> Result<WorkerEnd, AttachError> {
    layout.check()?;
    seal::verify(Segment::B, b.as_fd(), layout.b_bytes)?;
    seal::verify(Segment::W, w.as_fd(), layout.w_bytes)?;
    let refused = |segment, call| SegmentError::call(segment, call);
    let mut peer = Peer::map(b.as_fd(), layout.b_bytes).map_err(refused(Segment::B, "mmap"))?;
    let mut own = Own::map(w.as_fd(), layout.w_bytes).map_err(refused(Segment::W, "mmap"))?;
    drop((b, w));
    let fixed_b = peer.fix().map_err(refused(Segment::B, "mseal"))?;
    let fixed_w = own.fix().map_err(refused(Segment::W, "mseal"))?;
    let fixed = if fixed_b == fixed_w { fixed_b } else { Fixed::Unsealed };
    let bell = Eventfd(Arc::new(bell));
    let jobs = JobReceiver::new(own.clone(), peer.clone(), layout, bell.clone());
    let tokens = TokenSender::new(own, peer, layout, bell);
    Ok(WorkerEnd { jobs, tokens, fixed })
}

/// A failed futex call as the standard library's error.
fn io_error(errno: Errno) -> std::io::Error {
    std::io::Error::from_raw_os_error(errno as i32)
}
