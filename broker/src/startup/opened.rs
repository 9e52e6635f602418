//! Paths and descriptors, opened while the process may still open them.

use std::path::{Path, PathBuf};

use core_policy::report::Row;

use super::{
    StartError,
    directory::RootDirectory,
    identity::{Identity, Need, Reach},
    image::WorkerImage,
    lockdown::{self, LockdownError},
    socket::{Bound, Place},
};
use crate::{
    cli::Serve,
    config::{self, Config},
};

/// Everything that must be opened while the process may still open it.
pub(super) struct Opened {
    pub(super) socket: PathBuf,
    socket_dir: PathBuf,
    pub(super) root: RootDirectory,
    pub(super) worker: WorkerImage,
    pub(super) config_path: Option<PathBuf>,
    pub(super) config: Config,
    pub(super) bound: Bound,
    rows: Vec<Row>,
}

impl Opened {
    /// As root up to `assume`, as the broker's own user from there on.
    pub(super) fn open(args: &Serve, identity: &Identity) -> Result<Self, StartError> {
        let place = Place::of(&args.socket)?;
        let worker = WorkerImage::find()?;
        let directory = place.prepare(identity.uid(), identity.becomes())?;
        let root = std::path::absolute(&args.root).unwrap_or_else(|_| args.root.clone());
        let rows = identity.assume(&needs(&root, &place, &worker))?;
        lockdown::raise_descriptor_limit();
        let root = RootDirectory::open(&root)?;
        let (config_path, config, odd) = config::find(args.config.as_deref(), &root.path)?;
        for finding in odd {
            tracing::warn!(path = ?config_path, %finding, "odd");
        }
        let bound = place.bind(directory, identity.uid())?;
        let (socket, socket_dir) = (place.path, place.directory);
        Ok(Self { socket, socket_dir, root, worker, config_path, config, bound, rows })
    }

    /// Enters the domain, installs the filter, and judges all rows.
    pub(super) fn lock_down(&self) -> Result<(Vec<Row>, u32), LockdownError> {
        let confined = lockdown::Confined {
            root: &self.root.path,
            config: self.config_path.as_deref(),
            socket_dir: &self.socket_dir,
            worker: &self.worker,
        };
        let mut rows = self.rows.clone();
        rows.extend(lockdown::confine(&confined)?);
        lockdown::judge(rows)
    }
}

/// What a user other than root must reach; without the first of these exec would just fail later.
fn needs<'a>(root: &'a Path, place: &'a Place, worker: &'a WorkerImage) -> Vec<Reach<'a>> {
    let mut needs = vec![
        Reach { path: &worker.exe, need: Need::Execute },
        Reach { path: &worker.engine_dir, need: Need::List },
        Reach { path: root, need: Need::List },
        Reach { path: &place.directory, need: Need::Change },
    ];
    needs.extend(worker.variants.iter().map(|path| Reach { path, need: Need::Read }));
    needs
}
