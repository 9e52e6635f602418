//! From the command line to a locked-down process that listens, all on the only thread.
//!
//! The order is the content (policy's sandbox guide): descriptors before anything is opened, the
//! token before its file could be out of reach, root given up before the socket is bound, and the
//! broker's own domain and filter last, before the first thread and the first client.

#![forbid(unsafe_code)]

pub mod descriptors;
pub mod directory;
pub mod exit;
mod identity;
pub mod image;
mod lock;
mod lockdown;
mod opened;
pub mod ready;
pub mod signals;
pub mod socket;
pub mod token;

use std::{os::fd::OwnedFd, path::PathBuf, time::Instant};

use core_policy::{probe, report::Row};
use nix::fcntl::Flock;
use thiserror::Error;

use self::{
    descriptors::{DescriptorError, Descriptors},
    directory::DirectoryError,
    exit::Exit,
    identity::{Identity, IdentityError},
    image::ImageError,
    lockdown::LockdownError,
    opened::Opened,
    ready::ReadyTo,
    socket::{Bound, SocketError},
    token::{Token, TokenError},
};
pub use self::{image::WorkerImage, signals::Control};
use crate::{
    cli::Serve,
    config::{Config, ConfigError},
    ipc::Access,
    logging::LogStats,
};

/// What the run loop works with.
#[derive(Debug)]
pub struct Setup {
    /// The configuration as it was read.
    pub config: Config,
    /// The file it came from, for [`crate::config::find`] on a rescan; `None` when there was none.
    pub config_path: Option<PathBuf>,
    /// The root directory, absolute.
    pub root: PathBuf,
    /// models/, `O_PATH`.
    pub models: OwnedFd,
    /// tokenizers/, `O_PATH`.
    pub tokenizers: OwnedFd,
    /// cache/, `O_PATH`.
    pub cache: OwnedFd,
    /// What workers are started from.
    pub worker: WorkerImage,
    /// The broker's own protections as applied and tested.
    pub own_rows: Vec<Row>,
    /// What was found of a cgroup that could limit the memory of workers.
    pub memory_cgroup: Row,
    /// Seccomp filters on the broker itself, which workers inherit.
    pub own_filters: u32,
    /// When the process began.
    pub started: Instant,
    /// The socket's path.
    pub socket: PathBuf,
    /// Counts of dropped log lines.
    pub log: LogStats,
}

/// Everything that a started broker consists of.
#[derive(Debug)]
pub struct Started {
    /// For the run loop.
    pub setup: Setup,
    /// The bound socket; its name goes when this is dropped.
    pub bound: Bound,
    /// Who may connect.
    pub access: Access,
    /// Where the ready line goes.
    pub ready: ReadyTo,
    /// Whose end drains the broker.
    pub control: Option<OwnedFd>,
    /// Keeps the root directory this broker's alone.
    pub root_lock: Flock<OwnedFd>,
}

/// Why the broker does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A descriptor on the command line.
    #[error(transparent)]
    Descriptor(#[from] DescriptorError),
    /// The user.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The worker's files.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The root directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The broker's own protections.
    #[error(transparent)]
    Lockdown(#[from] LockdownError),
    /// The kernel gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

impl StartError {
    /// The exit code of the contract.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Descriptor(_) => Exit::Usage,
            Self::Identity(error) => error.exit(),
            Self::Token(_) | Self::Config(_) => Exit::Config,
            Self::Image(_) | Self::Directory(_) | Self::Socket(_) => Exit::Create,
            Self::Lockdown(error) => error.exit(),
            Self::Random(_) => Exit::Fault,
        }
    }
}

/// Starts the broker up to the point where only a runtime is missing.
///
/// # Errors
/// [`StartError`], with its exit code.
pub fn start(args: &Serve, log: LogStats, started: Instant) -> Result<Started, StartError> {
    let descriptors = Descriptors::take(args)?;
    lockdown::clean_slate()?;
    let identity = Identity::decide(args.user.as_deref())?;
    lockdown::require_kernel()?;
    let token = read_token(args, descriptors.token, &identity)?;
    let opened = Opened::open(args, &identity)?;
    let memory_cgroup = probe::memory_cgroup();
    let (own_rows, own_filters) = opened.lock_down()?;
    let access = Access::new(token, allowed(&identity, &opened.config))?;
    let (root, bound) = (opened.root, opened.bound);
    let setup = Setup {
        config: opened.config,
        config_path: opened.config_path,
        models: root.models,
        tokenizers: root.tokenizers,
        cache: root.cache,
        root: root.path,
        worker: opened.worker,
        own_rows,
        memory_cgroup,
        own_filters,
        started,
        socket: opened.socket,
        log,
    };
    Ok(Started {
        setup,
        bound,
        access,
        ready: descriptors.ready,
        control: descriptors.control,
        root_lock: root.lock,
    })
}

fn read_token(
    args: &Serve,
    descriptor: Option<OwnedFd>,
    identity: &Identity,
) -> Result<Token, TokenError> {
    match (descriptor, &args.token.token_file) {
        (Some(descriptor), _) => token::from_descriptor(descriptor),
        (None, Some(path)) => token::from_file(path, identity.starter()),
        // The command line names exactly one; nothing is as good as an empty token.
        (None, None) => Err(TokenError::Length { bytes: 0 }),
    }
}

/// The broker's own user, the one that started it, root, and those of the configuration.
fn allowed(identity: &Identity, config: &Config) -> Vec<u32> {
    let mut uids = vec![identity.uid(), identity.starter(), 0];
    uids.extend(&config.uids);
    uids.sort_unstable();
    uids.dedup();
    uids
}
