//! Can another user reach a path? Asked before root is given up, because afterwards a home of mode
//! 0700 above the worker's binary shows only as an exec that fails.
//!
//! The kernel is asked, with the file-system uid of that user and without groups, so that lists of
//! access rights and mounts count as well. Nothing is forked and no file is opened.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{self, AccessFlags, Gid, Uid};

use super::User;

/// What the user will do with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Read a file.
    Read,
    /// Execute a file, which is also read.
    Execute,
    /// Enter and list a directory.
    List,
    /// Enter, list and change a directory.
    Change,
}

/// A path and what is needed of it.
#[derive(Debug, Clone, Copy)]
pub struct Reach<'a> {
    /// An absolute path.
    pub path: &'a Path,
    /// What the user will do with it.
    pub need: Need,
}

/// The first component that the user cannot pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Unreachable {
    /// The component that stops the user.
    pub path: PathBuf,
    /// Its permission bits, 0 when it does not exist.
    pub mode: u32,
    /// Its owner.
    pub owner: u32,
    /// The user that was asked for.
    pub uid: u32,
    /// Answer of the kernel.
    pub errno: Errno,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, mode, owner, uid, errno } = self;
        let path = path.display();
        write!(f, "{path} (mode {mode:04o}, owner {owner}) cannot be reached by uid {uid}: ")?;
        write!(f, "{}; move it, or open its mode to that user", errno.desc())
    }
}

/// Deepest path that is walked; PATH_MAX (4,096 bytes) allows 2,048 components of one letter.
const DEPTH_MAX: usize = 2048;

/// Checks every component of every path as `user`, without its groups, and names the first that
/// stops it. Needs root; this process is itself again when the call returns.
///
/// # Errors
/// [`Unreachable`]; the caller ends with exit code 73.
pub fn check_reachable(user: User, paths: &[Reach<'_>]) -> Result<(), Unreachable> {
    // Where a path leads is asked as root, so that a directory behind a link can be named.
    let real: Result<Vec<_>, _> = paths.iter().map(Reach::real).collect();
    let real = real.map_err(|found| found.described(user))?;
    let costume = Costume::put_on(user)?;
    let mut all = paths.iter().zip(&real);
    let verdict = all.try_for_each(|(reach, real)| costume.walk(reach, real));
    drop(costume);
    verdict.map_err(|found| found.described(user))
}

/// A component that stopped the user, before anybody looked at its mode.
struct Stop {
    path: PathBuf,
    errno: Errno,
}

impl Stop {
    /// Looks at the component as root; a symbolic link is named by what it leads to.
    fn described(self, user: User) -> Unreachable {
        let meta = std::fs::metadata(&self.path).ok();
        Unreachable {
            mode: meta.as_ref().map_or(0, |meta| meta.mode() & 0o7777),
            owner: meta.as_ref().map_or(0, MetadataExt::uid),
            path: self.path,
            uid: user.uid(),
            errno: self.errno,
        }
    }
}

impl Reach<'_> {
    fn real(&self) -> Result<PathBuf, Stop> {
        self.path.canonicalize().map_err(|error| Stop {
            path: self.path.to_owned(),
            errno: Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)),
        })
    }
}

/// The file-system identity of another user, until it is dropped. It exists per thread.
struct Costume {
    groups: Vec<Gid>,
    uid: Uid,
    gid: Gid,
}

impl Costume {
    fn put_on(user: User) -> Result<Self, Unreachable> {
        let refused = |errno| Stop { path: "/".into(), errno }.described(user);
        let groups = unistd::getgroups().map_err(refused)?;
        unistd::setgroups(&[]).map_err(refused)?;
        let gid = unistd::setfsgid(user.gid);
        let uid = unistd::setfsuid(user.uid);
        Ok(Self { groups, uid, gid })
    }

    /// First the path as it is written, then where it leads: links may lie in between.
    fn walk(&self, reach: &Reach<'_>, real: &Path) -> Result<(), Stop> {
        self.components(reach.path)?;
        self.components(real)?;
        self.ask(real, reach.need.flags())
    }

    /// Every directory above the path must let the user through.
    fn components(&self, path: &Path) -> Result<(), Stop> {
        let mut prefix = PathBuf::new();
        let above = path.parent().unwrap_or(path).components().take(DEPTH_MAX);
        for component in above {
            prefix.push(component);
            if !matches!(component, Component::CurDir) {
                self.ask(&prefix, AccessFlags::X_OK)?;
            }
        }
        Ok(())
    }

    fn ask(&self, path: &Path, access: AccessFlags) -> Result<(), Stop> {
        let answer = unistd::faccessat(AT_FDCWD, path, access, AtFlags::AT_EACCESS);
        answer.map_err(|errno| Stop { path: path.to_owned(), errno })
    }
}

impl Drop for Costume {
    fn drop(&mut self) {
        unistd::setfsuid(self.uid);
        unistd::setfsgid(self.gid);
        // Root may always set groups; if it may not, having none is the safer state.
        let _ = unistd::setgroups(&self.groups);
    }
}

impl Need {
    fn flags(self) -> AccessFlags {
        match self {
            Self::Read => AccessFlags::R_OK,
            Self::Execute | Self::List => AccessFlags::R_OK | AccessFlags::X_OK,
            Self::Change => AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK,
        }
    }
}
