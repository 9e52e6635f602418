//! Canaries: forbidden opens that a worker tries right after it entered its domain.
//!
//! Landlock has no field in /proc, so trying is the only way to see it. Each canary is opened once
//! before, when it must work, and once after, when it must be EACCES: an open that failed before
//! too would prove nothing.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::DomainError;
use crate::report::{How, Name, Row, layer};

/// One forbidden open.
#[derive(Debug)]
struct Canary {
    name: Name,
    path: PathBuf,
    flags: OFlag,
    before: Result<(), Errno>,
}

/// What a worker may not open, with how it went before the domain.
#[derive(Debug)]
pub struct WorkerCanaries {
    canaries: Vec<Canary>,
}

/// Paths of the canaries that differ from one installation to the next.
#[derive(Debug, Clone, Copy)]
pub struct CanaryPaths<'a> {
    /// The directory of the libraries, which the broker's domain shows and the worker's must not.
    pub libraries: &'a Path,
}

impl WorkerCanaries {
    /// Opens every canary while it should still work. `model` is the first of the model's files; it
    /// is tried for writing, which no rule ever grants, so it has no positive half.
    pub fn arm(paths: CanaryPaths<'_>, model: Option<BorrowedFd<'_>>) -> Self {
        let list = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        let mut wanted: Vec<(Name, PathBuf, OFlag)> = vec![
            (layer::CANARY_PROC, "/proc/self/status".into(), OFlag::O_RDONLY),
            (layer::CANARY_ETC, "/etc/passwd".into(), OFlag::O_RDONLY),
            (layer::CANARY_ROOT, "/".into(), list),
            (layer::CANARY_LIBRARIES, paths.libraries.into(), list),
            (layer::CANARY_DEVICE, "/dev/null".into(), OFlag::O_RDWR),
        ];
        if let Some(model) = model {
            let path = format!("/proc/self/fd/{}", model.as_raw_fd());
            wanted.push((layer::CANARY_MODEL_WRITE, path.into(), OFlag::O_RDWR));
        }
        let canaries = wanted.into_iter().map(|(name, path, flags)| Canary {
            before: attempt(&path, flags),
            name,
            path,
            flags,
        });
        Self { canaries: canaries.collect() }
    }

    /// Tries all of them again. A row is `Yes` when the open is refused now; its value says whether
    /// it worked before, so that a reader can tell the worker's domain from the broker's around it.
    /// What does not exist on this system has no row.
    ///
    /// # Errors
    /// [`DomainError::Canary`] when one opened, or when none had worked before.
    pub fn check(&self) -> Result<Vec<Row>, DomainError> {
        if self.armed() == 0 {
            // guard
            return Err(DomainError::Canary("no canary could be opened before the domain"));
        }
        let mut rows = Vec::new();
        for canary in &self.canaries {
            match attempt(&canary.path, canary.flags) {
                Ok(()) => return Err(DomainError::Canary(canary.name.text)), // guard
                Err(Errno::ENOENT) => {}
                Err(errno) => rows.push(canary.row(errno)),
            }
        }
        Ok(rows)
    }

    /// How many opened before the domain: with none the whole test would say nothing.
    pub fn armed(&self) -> usize {
        self.canaries.iter().filter(|canary| canary.before.is_ok()).count()
    }
}

impl Canary {
    fn row(&self, now: Errno) -> Row {
        let before = self.before.err().map_or_else(|| "open".into(), |errno| format!("{errno:?}"));
        let value = format!("{now:?}; before: {before}");
        Row::met(self.name, How::Canary, is_refusal(now).into(), value)
    }
}

/// Whether an errno means "refused": by Landlock or permissions, by a read-only file system, or
/// because the file is being executed. All of them keep the file as it is.
pub(super) fn is_refusal(errno: Errno) -> bool {
    matches!(errno, Errno::EACCES | Errno::EPERM | Errno::EROFS | Errno::ETXTBSY)
}

/// Opens and closes.
pub(super) fn attempt(path: &Path, flags: OFlag) -> Result<(), Errno> {
    open(path, flags | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK, Mode::empty()).map(drop)
}
