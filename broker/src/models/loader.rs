//! Opening model files: beneath `models/` or `tokenizers/`, no links, regular, not writable by
//! everybody.

#[cfg(test)]
mod tests;

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use core_wire::code::{Code, Refusal};
use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2},
    sys::stat::{FileStat, Mode, SFlag, fstat, fstatat},
    unistd::geteuid,
};

/// How old a change must be before a later one is certain to have another time. The kernel stamps
/// files with a clock of 1 to 10 ms, some network file systems with one of a second.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// When to try again after a file was replaced: the new one is there already.
const REPLACED_RETRY_MS: u32 = 100;

/// Bytes of a model file at most, twice the largest that are published: all of it is hashed before
/// anything else is known of it, and a file with a hole of exabytes would keep that busy for ever.
const BYTES_MAX: i64 = 4 << 40;

/// One of the two directories that hold models.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Folder<'a> {
    /// The directory.
    pub(crate) fd: BorrowedFd<'a>,
    /// Its name, for sentences about it.
    pub(crate) name: &'static str,
}

impl<'a> Folder<'a> {
    /// Whole models.
    pub(crate) fn models(fd: BorrowedFd<'a>) -> Self {
        Self { fd, name: "models/" }
    }

    /// Files of which only the vocabulary is used.
    pub(crate) fn tokenizers(fd: BorrowedFd<'a>) -> Self {
        Self { fd, name: "tokenizers/" }
    }
}

/// A model file that is open.
#[derive(Debug)]
pub(crate) struct Opened {
    /// Read only, close-on-exec.
    pub(crate) fd: OwnedFd,
    /// What it was when it was opened.
    pub(crate) stamp: Stamp,
}

/// Which content a file has, as far as that can be told without reading it: whoever changes the
/// content changes at least the change time, which no user can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    pub(crate) size_bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(stat: &FileStat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size_bytes: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    /// The stamp of an open file now.
    ///
    /// # Errors
    /// What `fstat` answers.
    pub(crate) fn now(fd: BorrowedFd<'_>) -> Result<Self, Errno> {
        fstat(fd).map(|stat| Self::of(&stat))
    }

    /// The stamp of a name beneath a directory, if it is there; links are not followed.
    pub(crate) fn of_name(folder: BorrowedFd<'_>, name: &str) -> Option<Self> {
        let stat = fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW);
        stat.ok().map(|stat| Self::of(&stat))
    }

    /// Whether whatever is written from now on changes the stamp.
    pub(crate) fn is_settled(&self, now: SystemTime) -> bool {
        let Ok(now) = now.duration_since(UNIX_EPOCH) else {
            return false;
        };
        let (s, ns) = self.changed;
        let changed = u64::try_from(s).ok().zip(u32::try_from(ns).ok());
        let changed = changed.map(|(s, ns)| Duration::new(s, ns));
        changed.is_some_and(|changed| changed + SETTLED_AFTER <= now)
    }

    /// Whether the same file has the size and the time of the last write that another stamp of it
    /// has. Its owner can set that time, so this alone proves nothing.
    pub(crate) fn is_same_content(&self, other: &Self) -> bool {
        let what = |stamp: &Self| (stamp.device, stamp.inode, stamp.size_bytes, stamp.modified);
        what(self) == what(other)
    }
}

/// Opens `name` beneath the directory `folder` for reading.
///
/// `openat2` (Linux 5.6) refuses every way out: an absolute name, `..`, a link, a magic link.
/// `O_NONBLOCK` keeps a FIFO of that name from blocking the broker.
///
/// # Errors
/// `MODEL_PATH` for what is no plain file of the directory's owner, `MODEL_UNREADABLE` with user
/// and mode, `MODEL_LOAD` for the rest; each names the file.
pub(crate) fn open(folder: Folder<'_>, name: &str) -> Result<Opened, Refusal> {
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)
        .resolve(
            ResolveFlag::RESOLVE_BENEATH
                | ResolveFlag::RESOLVE_NO_SYMLINKS
                | ResolveFlag::RESOLVE_NO_MAGICLINKS,
        );
    let fd = openat2(folder.fd, name, how).map_err(|errno| refused(folder, name, errno))?;
    let stat = fstat(fd.as_fd()).map_err(|errno| refused(folder, name, errno))?;
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        return Err(path(name, "is no regular file: put the model itself there"));
    }
    if Mode::from_bits_truncate(stat.st_mode).contains(Mode::S_IWOTH) {
        let mode = stat.st_mode & 0o7777;
        let why = format!("has mode {mode:04o}, so everybody may change it: chmod o-w it");
        return Err(path(name, &why));
    }
    if stat.st_size > BYTES_MAX {
        let why = format!("has {} bytes; a model file has at most {BYTES_MAX}", stat.st_size);
        return Err(path(name, &why));
    }
    check_names(name, stat.st_nlink)?;
    Ok(Opened { stamp: Stamp::of(&stat), fd })
}

/// A file has one name: with another one elsewhere, somebody may write it who may not write here.
fn check_names(name: &str, names: u64) -> Result<(), Refusal> {
    match names {
        1 => Ok(()),
        0 => {
            let message = format!("{} was replaced while it was opened: try again", shown(name));
            Err(Refusal::new(Code::ModelChanged, message).after(REPLACED_RETRY_MS))
        }
        _ => {
            let why = format!("has {names} names (hard links): put a copy there instead");
            Err(path(name, &why))
        }
    }
}

fn refused(folder: Folder<'_>, name: &str, errno: Errno) -> Refusal {
    let beneath = folder.name;
    match errno {
        Errno::EACCES | Errno::EPERM => unreadable(folder, name),
        Errno::ELOOP => path(name, "is a symbolic link: put the model itself there"),
        Errno::EXDEV => path(name, &format!("leads out of {beneath}: name a file beneath it")),
        Errno::ENXIO | Errno::ENODEV => path(name, "is no regular file"),
        Errno::ENOENT | Errno::ENOTDIR => {
            let message = format!("no file {} beneath {beneath}: put it there", shown(name));
            Refusal::new(Code::ModelLoad, message)
        }
        other => {
            let message = format!("{} cannot be opened: {}", shown(name), other.desc());
            Refusal::new(Code::ModelLoad, message)
        }
    }
}

fn unreadable(folder: Folder<'_>, name: &str) -> Refusal {
    let uid = geteuid();
    let mode = |stat: FileStat| format!("{:04o}", stat.st_mode & 0o7777);
    let message = match fstatat(folder.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => format!(
            "{} has mode {} and user {uid}, whom the broker runs as, may not read it: \
             chmod or chown it",
            shown(name),
            mode(stat)
        ),
        // Then it is the directory that is closed, or one beneath it.
        Err(_) => format!(
            "{} has mode {} and user {uid}, whom the broker runs as, may not look for {} in it: \
             chmod or chown it",
            folder.name,
            fstat(folder.fd).map_or_else(|_| "unknown".to_owned(), mode),
            shown(name)
        ),
    };
    Refusal::new(Code::ModelUnreadable, message)
}

fn path(name: &str, why: &str) -> Refusal {
    Refusal::new(Code::ModelPath, format!("{} {why}", shown(name)))
}

/// A file name as a sentence may carry it: escaped, and at most as long as a name can be.
pub(super) fn shown(name: &str) -> String {
    const CHARS_MAX: usize = 255;
    name.chars().take(CHARS_MAX).flat_map(char::escape_default).collect()
}
