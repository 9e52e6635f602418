//! The broker's own domain and filter, which every worker inherits, and the judgement of all rows.

use std::path::{Path, PathBuf};

use core_policy::{
    apply::{self, ApplyError},
    landlock::{self, BrokerDomain, DomainError},
    probe,
    report::{Report, Row, layer},
    seccomp::{self, InstallError, Stage},
    verify,
};
use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    signal::SigSet,
    stat::{Mode, umask},
};
use thiserror::Error;

use super::{exit::Exit, image::WorkerImage};

/// Descriptors that a full house needs: a thousand sessions, and as many again for workers, rings
/// and model files.
const DESCRIPTORS: u64 = 4096;

/// Why the broker is not protected as it must be.
#[derive(Debug, Error)]
pub enum LockdownError {
    /// A required protection is missing.
    #[error("a required protection is missing: {}", .names.join(", "))]
    Missing {
        /// Names of the rows, with what was found.
        names: Vec<String>,
    },
    /// The domain was not entered.
    #[error("{}: {cause}", layer::LANDLOCK_FILESYSTEM.text)]
    Domain {
        /// Why.
        #[from]
        cause: DomainError,
    },
    /// The filter was not installed.
    #[error("{}: {cause}", layer::SECCOMP_BROKER.text)]
    Filter {
        /// Why.
        #[from]
        cause: InstallError,
    },
    /// The process can be looked into.
    #[error("{cause}")]
    Hide {
        /// Why.
        #[from]
        cause: ApplyError,
    },
    /// The own state cannot be read back.
    #[error("the broker's own status cannot be read: {0}; /proc must be mounted")]
    Status(std::io::Error),
}

impl LockdownError {
    pub(super) fn exit(&self) -> Exit {
        match self {
            // A path that is not there is the operator's, a layer that is not there the kernel's.
            Self::Domain { cause: DomainError::Path { .. } } => Exit::Create,
            Self::Missing { .. }
            | Self::Domain { .. }
            | Self::Filter { .. }
            | Self::Hide { .. }
            | Self::Status(_) => Exit::Protection,
        }
    }
}

/// What the starter may have left behind and must not: a file mask that opens what is made here,
/// blocked signals, and readiness to leave a core with the token in it.
///
/// # Errors
/// [`LockdownError::Hide`]; there is no way to go on without it.
pub(super) fn clean_slate() -> Result<(), LockdownError> {
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
    if let Err(error) = SigSet::empty().thread_set_mask() {
        tracing::warn!(%error, "blocked signals stay blocked");
    }
    apply::hide()?;
    Ok(())
}

/// Refuses a kernel that cannot protect a worker, before anything is made or bound.
///
/// # Errors
/// [`LockdownError::Missing`] with the names of what it lacks.
pub(super) fn require_kernel() -> Result<(), LockdownError> {
    missing(&probe::probe())
}

/// What the domain is made of.
pub(super) struct Confined<'a> {
    /// The root directory.
    pub(super) root: &'a Path,
    /// The configuration file, when there is one.
    pub(super) config: Option<&'a Path>,
    /// The directory of the socket.
    pub(super) socket_dir: &'a Path,
    /// What workers are started from.
    pub(super) worker: &'a WorkerImage,
}

/// Enters the domain, then installs the filter.
///
/// # Errors
/// [`LockdownError`]; the process must end.
pub(super) fn confine(confined: &Confined<'_>) -> Result<Vec<Row>, LockdownError> {
    let Confined { worker, .. } = confined;
    let below = |name: &str| confined.root.join(name);
    // The root directory is read as a whole, so that a core.toml that is replaced or added later is
    // found by a rescan; a configuration elsewhere is one file.
    let mut read: Vec<PathBuf> = vec![confined.root.to_owned()];
    read.extend(confined.config.map(Path::to_owned));
    let mut rows = landlock::restrict_broker(&BrokerDomain {
        models: below("models"),
        tokenizers: below("tokenizers"),
        temp: below("temp"),
        cache: below("cache"),
        socket_dir: confined.socket_dir.to_owned(),
        worker_exe: worker.exe.clone(),
        interpreter: WorkerImage::interpreter(),
        library_dirs: worker.library_dirs(),
        read,
        cgroup: None,
        profile: worker.profile(),
    })?;
    rows.push(seccomp::install(Stage::Broker.under(worker.profile()))?);
    Ok(rows)
}

/// Looks at the result; the second value is how many filters a child inherits.
///
/// # Errors
/// [`LockdownError::Missing`] when a required row does not hold.
pub(super) fn judge(rows: Vec<Row>) -> Result<(Vec<Row>, u32), LockdownError> {
    let mut report = Report::default();
    report.merge(rows);
    report.merge(verify::self_broker());
    missing(&report)?;
    for name in report.degraded() {
        tracing::info!(name, "a wanted protection of the broker is not there");
    }
    let status = verify::Status::own().map_err(LockdownError::Status)?;
    Ok((report.rows, status.filters.unwrap_or_default()))
}

fn missing(report: &Report) -> Result<(), LockdownError> {
    let names: Vec<_> = report
        .missing_required()
        .iter()
        .map(|row| format!("{} ({})", row.name, row.value))
        .collect();
    if names.is_empty() { Ok(()) } else { Err(LockdownError::Missing { names }) }
}

/// A thousand sessions need more than the usual soft limit; what cannot be raised stays, and then
/// accepting pauses when the limit is reached.
pub(super) fn raise_descriptor_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        setrlimit(Resource::RLIMIT_NOFILE, soft.max(DESCRIPTORS.min(hard)), hard)
    });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit on descriptors could not be raised");
    }
}
