//! The inherited descriptors: what they become, and when they close.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
};

use core_policy::{
    fds::{Inherited, MODEL_FIRST},
    report::{How, Row, layer},
};
use core_ring::{Layout, WorkerEnd};
use core_wire::worker::KIND_MAX;

use super::BootError;

/// The model's files while they are open.
pub(crate) struct ModelFiles(Vec<OwnedFd>);

impl ModelFiles {
    /// Borrows all of them, in the order of CONFIG.
    pub(crate) fn borrow(&self) -> Vec<BorrowedFd<'_>> {
        self.0.iter().map(AsFd::as_fd).collect()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The path under which the engine opens the first again. Landlock knows the file by its inode,
    /// so no other can be put in its place.
    pub(crate) fn path() -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{MODEL_FIRST}"))
    }
}

/// Checks the table, maps both rings and closes their descriptors.
///
/// # Errors
/// [`BootError`].
pub(crate) fn take() -> Result<(WorkerEnd, ModelFiles, Vec<Row>), BootError> {
    let inherited = Inherited::take()?;
    let layout = Layout::new(KIND_MAX);
    let end = core_ring::attach(inherited.ring_b, inherited.ring_w, inherited.bell, &layout)?;
    let sealed = if end.degraded().is_empty() {
        Row::yes(layer::MSEAL, How::OwnWord, "both rings")
    } else {
        Row::no(layer::MSEAL, How::OwnWord, "the kernel has no mseal")
    };
    Ok((end, ModelFiles(inherited.models), vec![inherited.row, sealed]))
}
