//! A shared mapping as an array of cells: the only place that touches shared bytes.
//!
//! Invariants, cited by the SAFETY comments of this module:
//!
//! * **I1** `base` is the start of a mapping of `CONTROL_BYTES + 8 * words` bytes, page aligned and
//!   mapped until the last `Mapping` handle is dropped.
//! * **I2** The memfd behind it can neither shrink nor grow (seals, verified before anything is
//!   read), so no access inside the mapping raises SIGBUS.
//! * **I3** A data index is below `words`, which is a power of two, because it was masked or cut
//!   there; a control word lies in the control page by construction.
//! * **I4** Shared memory is only touched as aligned `AtomicU64` cells reached by raw pointer. No
//!   slice of it and no reference to its bytes ever exists, so a peer that writes at any moment
//!   causes other values, never undefined behaviour.
//! * **I5** A mapping made read-only is only read, with relaxed loads of eight bytes: stronger
//!   orders and read-modify-writes are not defined there. Order comes from fences.
//! * **I6** [`Own`] exists only over a mapping made with `PROT_WRITE`.

mod raw;
pub(crate) mod seal;

#[cfg(test)]
mod tests;

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use nix::errno::Errno;

use crate::layout::Control;
use crate::primitive::{Peek, Poke};
use raw::Mapping;

/// A segment that this process may only read.
#[derive(Clone, Debug)]
pub(crate) struct Peer(Arc<Mapping>);

/// A segment that this process alone writes.
#[derive(Clone, Debug)]
pub(crate) struct Own(Arc<Mapping>);

/// Whether the kernel keeps a mapping from being changed or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fixed {
    /// mseal(2) succeeded (Linux 6.10).
    Sealed,
    /// The kernel has no mseal(2).
    Unsealed,
}

impl Peer {
    /// Maps a memfd of the right size read-only.
    pub(crate) fn map(fd: BorrowedFd<'_>, data_bytes: usize) -> Result<Self, Errno> {
        Ok(Self(Arc::new(Mapping::read_only(fd, data_bytes)?)))
    }

    /// Fixes the mapping for the life of the process.
    pub(crate) fn fix(&mut self) -> Result<Fixed, Errno> {
        fix(&mut self.0)
    }

    /// Address of a control word's low half, for futex(2).
    pub(crate) fn futex(&self, word: Control) -> *const u32 {
        self.0.control(word).cast()
    }
}

impl Own {
    /// Maps a memfd of the right size readable and writable.
    pub(crate) fn map(fd: BorrowedFd<'_>, data_bytes: usize) -> Result<Self, Errno> {
        Ok(Self(Arc::new(Mapping::read_write(fd, data_bytes)?)))
    }

    /// Fixes the mapping for the life of the process.
    pub(crate) fn fix(&mut self) -> Result<Fixed, Errno> {
        fix(&mut self.0)
    }

    /// Address of a control word's low half, for futex(2).
    pub(crate) fn futex(&self, word: Control) -> *const u32 {
        self.0.control(word).cast()
    }

    /// Adds one to a control word. Both halves of the broker ring the same bell.
    pub(crate) fn bump(&self, word: Control) {
        self.0.fetch_add(word);
    }
}

/// Only before the first clone, so that the one handle can remember not to unmap.
fn fix(mapping: &mut Arc<Mapping>) -> Result<Fixed, Errno> {
    match Arc::get_mut(mapping).ok_or(Errno::EBUSY)?.seal() {
        Ok(()) => Ok(Fixed::Sealed),
        Err(Errno::ENOSYS) => Ok(Fixed::Unsealed),
        Err(errno) => Err(errno),
    }
}

impl Peek for Peer {
    fn control(&self, word: Control) -> u64 {
        self.0.load_control(word)
    }

    fn data(&self, position: u64) -> u64 {
        self.0.load(position)
    }

    fn copy_out(&self, position: u64, out: &mut [u8]) {
        self.0.copy_out(position, out);
    }
}

impl Peek for Own {
    fn control(&self, word: Control) -> u64 {
        self.0.load_control(word)
    }

    fn data(&self, position: u64) -> u64 {
        self.0.load(position)
    }
}

impl Poke for Own {
    fn set(&self, word: Control, value: u64) {
        self.0.store_control(word, value);
    }

    fn release(&self, word: Control, value: u64) {
        self.0.release_control(word, value);
    }

    fn put(&self, position: u64, value: u64) {
        self.0.store(position, value);
    }

    fn copy_in(&self, position: u64, bytes: &[u8]) {
        self.0.copy_in(position, bytes);
    }
}
