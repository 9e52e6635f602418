//! The inherited descriptors: what they become, and when they close.

use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
};

use core_policy::{
    fds::{Inherited, MODEL_FIRST},
    report::{How, Row, layer},
};
use core_ring::{Layout, WorkerEnd};
use core_wire::worker::{KIND_MAX, config::Serve};

use super::BootError;
use crate::llama::model::{Run, Source};

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

    /// Bytes of all files from number `first` on, 0 for one that does not say.
    pub(crate) fn bytes_from(&self, first: usize) -> u64 {
        let length = |fd: &OwnedFd| Some(File::from(fd.try_clone().ok()?).metadata().ok()?.len());
        self.0.iter().skip(first).filter_map(length).sum()
    }

    /// The path under which the engine opens file number `index` again. Landlock knows the file by
    /// its inode, so no other can be put in its place.
    pub(crate) fn path(index: usize) -> PathBuf {
        let first = usize::try_from(MODEL_FIRST).unwrap_or(0);
        PathBuf::from(format!("/proc/self/fd/{}", first + index))
    }

    /// The model's parts, and how `plan` wants them.
    pub(crate) fn source(plan: &Serve, run: Run) -> Source {
        Source {
            parts: (0..plan.parts.into()).map(Self::path).collect(),
            load: plan.load,
            weights: plan.weights,
            gpu_layers: plan.gpu_layers,
            run,
        }
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
