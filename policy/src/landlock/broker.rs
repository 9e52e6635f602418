//! The broker's own domain, which every worker inherits.
//!
//! It is the boundary of the seed document: models/ and tokenizers/ are read, temp/ and cache/ are
//! written, everything else is denied, apart from what a worker needs to come up: its binary, the
//! ELF interpreter, the libraries, /proc, /dev/null, the library cache and the list of processors.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process;

use landlock::{
    AccessFs, BitFlags, PathBeneath, PathFd, RulesetCreated, RulesetCreatedAttr, make_bitflags,
};
use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::canary::{attempt, is_refusal};
use super::device::grant_nodes;
use super::{DomainError, Rights};
use crate::profile::Profile;
use crate::report::{How, Row, layer};

/// Everything that the broker may reach. All paths must exist.
#[derive(Debug, Clone)]
pub struct BrokerDomain {
    /// models/ of the root directory.
    pub models: PathBuf,
    /// tokenizers/ of the root directory.
    pub tokenizers: PathBuf,
    /// temp/ of the root directory.
    pub temp: PathBuf,
    /// cache/ of the root directory.
    pub cache: PathBuf,
    /// The directory that holds the socket and its lock file.
    pub socket_dir: PathBuf,
    /// The worker's binary.
    pub worker_exe: PathBuf,
    /// The ELF interpreter of the worker; none when it is linked statically.
    pub interpreter: Option<PathBuf>,
    /// Directories of libraries and CPU variants.
    pub library_dirs: Vec<PathBuf>,
    /// Further files or directories to read, such as the directory of core.toml.
    pub read: Vec<PathBuf>,
    /// The delegated cgroup directory in which workers are placed, when there is one.
    pub cgroup: Option<PathBuf>,
    /// What workers may be given: under [`Profile::Gpu`] the domain shows device nodes and what
    /// drivers read, because a worker inherits it.
    pub profile: Profile,
}

const READ_FILE: BitFlags<AccessFs> = make_bitflags!(AccessFs::ReadFile);
const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});
const RUN: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | Execute});
const WRITE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir | Refer
});
const SOCKET: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeSock | RemoveFile | ResolveUnix
});
const CGROUP: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | MakeDir | RemoveDir
});

/// What the system must show to any process that execs. Writing below /proc is for a worker's own
/// oom_score_adj; the kernel decides about the rest of it.
const SYSTEM: [(&str, BitFlags<AccessFs>); 4] = [
    ("/proc", make_bitflags!(AccessFs::{ReadFile | ReadDir | WriteFile})),
    ("/dev/null", make_bitflags!(AccessFs::{ReadFile | WriteFile})),
    ("/etc/ld.so.cache", READ_FILE),
    ("/sys/devices/system/cpu", READ),
];

/// System paths that need not exist: a system without a library cache searches the directories.
const OPTIONAL: [&str; 2] = ["/etc/ld.so.cache", "/sys/devices/system/cpu"];

/// Enters the broker's domain on the calling thread, which must be the only one, and tests it.
///
/// # Errors
/// [`DomainError`]: a path that does not exist (nothing is left out silently), a kernel without
/// Landlock, or a canary that got through.
pub fn restrict_broker(domain: &BrokerDomain) -> Result<Vec<Row>, DomainError> {
    let rights = Rights::of_kernel()?;
    let mut ruleset = rights.with_log(rights.ruleset()?)?;
    for (path, access) in domain.grants() {
        ruleset = grant(ruleset, rights, &path, access)?;
    }
    for (path, access) in SYSTEM {
        if OPTIONAL.contains(&path) && !Path::new(path).exists() {
            continue;
        }
        ruleset = grant(ruleset, rights, Path::new(path), access)?;
    }
    for path in domain.profile.driver_files().into_iter().filter(|path| path.exists()) {
        ruleset = grant(ruleset, rights, &path, READ)?;
    }
    ruleset = grant_nodes(ruleset, rights, domain.profile)?;
    let mut rows = rights.enter(ruleset)?;
    rows.extend(domain.profile.rows(How::OwnWord));
    rows.extend(domain.test()?);
    Ok(rows)
}

fn grant(
    ruleset: RulesetCreated,
    rights: Rights,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, DomainError> {
    let fd =
        PathFd::new(path).map_err(|source| DomainError::Path { path: path.to_owned(), source })?;
    let mut access = rights.existing(access);
    if !path.is_dir() {
        access &= AccessFs::from_file(rights.abi);
    }
    Ok(ruleset.add_rule(PathBeneath::new(fd, access))?)
}

impl BrokerDomain {
    fn grants(&self) -> Vec<(PathBuf, BitFlags<AccessFs>)> {
        let mut grants = vec![
            (self.models.clone(), READ),
            (self.tokenizers.clone(), READ),
            (self.temp.clone(), WRITE),
            (self.cache.clone(), WRITE),
            (self.socket_dir.clone(), SOCKET),
            (self.worker_exe.clone(), RUN),
        ];
        grants.extend(self.interpreter.iter().map(|path| (path.clone(), RUN)));
        grants.extend(self.library_dirs.iter().map(|path| (path.clone(), READ)));
        grants.extend(self.read.iter().map(|path| (path.clone(), READ)));
        grants.extend(self.cgroup.iter().map(|path| (path.clone(), CGROUP)));
        grants
    }

    /// The broker tries its own domain: what must be closed is closed, what must be open is open.
    fn test(&self) -> Result<Vec<Row>, DomainError> {
        let closed = [
            (layer::CANARY_ETC, attempt(Path::new("/etc/passwd"), OFlag::O_RDONLY)),
            (layer::CANARY_ROOT, attempt(Path::new("/"), OFlag::O_RDONLY)),
            (layer::CANARY_BINARY, attempt(&self.worker_exe, OFlag::O_RDWR)),
            (layer::CANARY_CREATE, create(&self.models)),
        ];
        let mut rows = Vec::new();
        for (name, outcome) in closed {
            match outcome {
                Err(Errno::ENOENT) => {}
                Err(errno) if is_refusal(errno) => {
                    rows.push(Row::yes(name, How::Canary, format!("{errno:?}")));
                }
                Ok(()) | Err(_) => return Err(DomainError::Canary(name.text)), // guard
            }
        }
        for directory in [&self.temp, &self.cache] {
            create(directory).map_err(|_| DomainError::Canary(layer::CANARY_TEMP.text))?;
        }
        rows.push(Row::yes(layer::CANARY_TEMP, How::Canary, "written and removed"));
        Ok(rows)
    }
}

/// Creates and removes a file; a leftover of an earlier broker of the same pid counts as written.
fn create(directory: &Path) -> Result<(), Errno> {
    let path = directory.join(format!(".canary-{}", process::id()));
    let made = OpenOptions::new().write(true).create_new(true).open(&path).map(drop);
    let made = made.or_else(|error| match error.kind() {
        ErrorKind::AlreadyExists => Ok(()),
        _ => Err(error),
    });
    made.and_then(|()| fs::remove_file(&path))
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
}
