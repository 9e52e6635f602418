//! The descriptors of a worker: the table is its list of capabilities.
//!
//! Numbers are fixed, so that a worker needs no argument to find them and anybody can check them
//! from outside. Between exec and the first mapping the table is exactly the fixed ones plus the
//! model's files; see [`Inherited::take`].

mod given;
mod table;
#[cfg(test)]
mod tests;

use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::report::{How, Row, layer};
use crate::sys;

pub use given::claim_given;
pub use table::{FdError, Kind};
pub(crate) use table::{kind_of, open_now};

/// Standard input: /dev/null.
pub const STDIN: RawFd = 0;
/// Standard output: /dev/null.
pub const STDOUT: RawFd = 1;
/// Standard error: the log pipe, O_NONBLOCK.
pub const LOG: RawFd = 2;
/// The bell to the broker: an eventfd that the broker only polls.
pub const BELL: RawFd = 3;
/// Ring B, which the broker writes; closed once mapped.
pub const RING_B: RawFd = 4;
/// Ring W, which the worker writes; closed once mapped.
pub const RING_W: RawFd = 5;
/// The pipe by which a failed exec reports itself; exec closes it.
pub const ERROR: RawFd = 6;
/// The first of the model's files, in the order of CONFIG; closed before SERVE.
pub const MODEL_FIRST: RawFd = 8;

/// Most files of one model. The largest published splits have about 60 parts (half-precision
/// weights of some 400 billion parameters in files of 16 GB).
pub const MODEL_FILES_MAX: usize = 64;

/// What a worker has at READY.
pub const AT_READY: [(RawFd, Kind); 4] =
    [(STDIN, Kind::Null), (STDOUT, Kind::Null), (LOG, Kind::Pipe), (BELL, Kind::Event)];

/// What a worker has at LOCKED, when the rings are mapped and closed.
pub fn at_locked(models: usize) -> Vec<(RawFd, Kind)> {
    let models = (MODEL_FIRST..).take(models.min(MODEL_FILES_MAX));
    AT_READY.into_iter().chain(models.map(|fd| (fd, Kind::File))).collect()
}

/// What exec leaves a worker: [`at_locked`] and the two rings.
pub fn at_exec(models: usize) -> Vec<(RawFd, Kind)> {
    let rings = [(RING_B, Kind::Memory), (RING_W, Kind::Memory)];
    rings.into_iter().chain(at_locked(models)).collect()
}

/// Set once [`Inherited::take`] ran, so that no descriptor is owned twice.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The descriptors that a worker was started with, owned.
#[derive(Debug)]
pub struct Inherited {
    /// The bell to the broker; keep it for the life of the process.
    pub bell: OwnedFd,
    /// Ring B; drop it once mapped.
    pub ring_b: OwnedFd,
    /// Ring W; drop it once mapped.
    pub ring_w: OwnedFd,
    /// The model's files, in the order of CONFIG; drop them before SERVE.
    pub models: Vec<OwnedFd>,
    /// What was asserted, for the report.
    pub row: Row,
}

impl Inherited {
    /// Asserts that the table is exactly what the broker lays out, then takes it.
    ///
    /// A descriptor too many is a capability that nobody planned, so it is an error like one too
    /// few.
    ///
    /// # Errors
    /// [`FdError`]: the table differs, /proc cannot be read, or it was taken before.
    pub fn take() -> Result<Self, FdError> {
        let open = open_now()?;
        // A gap ends the models: what lies beyond it was not laid out by the broker.
        let models = (MODEL_FIRST..).take_while(|fd| open.contains(fd)).count();
        table::expect(&open, &at_exec(models))?;
        if TAKEN.swap(true, Ordering::SeqCst) {
            return Err(FdError::Taken);
        }
        let files = (MODEL_FIRST..).take(models).map(sys::claim).collect();
        Ok(Self {
            bell: sys::claim(BELL),
            ring_b: sys::claim(RING_B),
            ring_w: sys::claim(RING_W),
            models: files,
            row: Row::yes(layer::FD_TABLE, How::OwnWord, format!("{models} model files")),
        })
    }
}
