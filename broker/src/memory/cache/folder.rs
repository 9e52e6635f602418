//! What lies in cache/: contexts, oldest first to go, and the key.

use std::{
    cmp::Reverse,
    fs::File,
    io::{self, Write as _},
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{AtFlags, OFlag, OpenHow, RenameFlags, ResolveFlag, openat2, renameat2},
    sys::stat::{Mode, SFlag, fstatat},
    unistd::{UnlinkatFlags, unlinkat},
};

use super::{
    Belongs, CacheError, Place, Restored, Taken,
    file::{self, Header},
    key::Key,
};

/// How the name of a context's file ends.
pub(super) const ENDING: &str = ".kv";
/// What a context is called until it is whole. One name is enough: one thread writes them.
const SAVING: &str = ".saving";
/// Contexts that are kept, however small: beyond it the oldest go. A listing of so many takes some
/// milliseconds of the I/O thread.
const CONTEXTS_MAX: usize = 1024;
/// Names that are looked at: the contexts, and some that are not ours.
const ENTRIES_MAX: usize = 4 * CONTEXTS_MAX;

/// The directory cache/.
#[derive(Debug)]
pub(crate) struct Folder(OwnedFd);

/// A context as the directory lists it.
struct Listed {
    name: String,
    bytes: u64,
    modified: (i64, i64),
}

impl Folder {
    /// For an open directory, with or without rights to read it (`O_PATH`).
    pub(crate) fn new(dir: OwnedFd) -> Self {
        Self(dir)
    }

    /// The same directory, for the I/O thread.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Bytes of all contexts, after deleting what an earlier broker left half written.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub(crate) fn tidy(&self) -> Result<u64, CacheError> {
        remove(self.fd(), SAVING)?;
        Ok(total(&self.list()?))
    }

    /// Bytes of a context's file; `None` where there is no such file.
    pub(crate) fn size(&self, place: &Place) -> Option<u64> {
        let name = place.file_name();
        let stat = fstatat(self.fd(), name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
        u64::try_from(stat.st_size).ok()
    }

    /// Writes a context; one of the same place is replaced once the new one is on the disk. While
    /// it is written both are there, so the quota can be exceeded by the one that is replaced.
    ///
    /// # Errors
    /// [`CacheError`]; then the one that was there is still there.
    pub(crate) fn save(
        &self,
        place: &Place,
        belongs: Belongs,
        state: &[u8],
        quota: u64,
    ) -> Result<Taken, CacheError> {
        let header = Header::new(place, belongs, state)?;
        let (head, name) = (header.encode()?, place.file_name());
        let bytes = file::bytes(head.len(), state.len());
        if bytes > quota {
            return Err(CacheError::Quota { bytes, quota });
        }
        let key = Key::open_or_make(self.fd())?;
        let others = self.make_room(&name, quota - bytes)?;
        let written = self.write(&name, |file| file::write(file, &head, state, &key));
        if written.is_err() {
            remove(self.fd(), SAVING)?;
        }
        written?;
        Ok(Taken { file_bytes: bytes, saved_bytes: others + bytes })
    }

    /// Reads a context that has at most so many bytes, and that belongs to this.
    ///
    /// # Errors
    /// [`CacheError`].
    pub(crate) fn restore(
        &self,
        place: &Place,
        belongs: &Belongs,
        bytes_max: u64,
    ) -> Result<Restored, CacheError> {
        let unknown = || CacheError::Unknown { name: place.name.as_str().to_owned() };
        let broken = |why| CacheError::Broken { why };
        let file = match open(self.fd(), &place.file_name(), OFlag::O_RDONLY) {
            Ok(file) => file,
            Err(Errno::ENOENT) => return Err(unknown()),
            Err(Errno::ELOOP | Errno::ENXIO) => return Err(broken("it is no regular file")),
            Err(errno) => return Err(errno.into()),
        };
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(broken("it is no regular file"));
        }
        if found.len() > bytes_max {
            return Err(broken("it is longer than it may be"));
        }
        let key = Key::open(self.fd())?.ok_or(broken("the key of cache/ is gone"))?;
        let (header, state) = file::read(file, found.len(), &key)?;
        header.check(place, belongs)?;
        Ok(Restored { state, file_bytes: found.len() })
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    fn write(
        &self,
        name: &str,
        content: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), CacheError> {
        let mut file = create(self.fd(), SAVING)?;
        content(&mut file)?;
        file.flush()?;
        file.sync_all()?;
        replace(self.fd(), SAVING, name)?;
        Ok(sync(self.fd())?)
    }

    /// Deletes the oldest contexts but `name` until no more than `bytes_max` are left, and answers
    /// how many bytes they have: those of the same user first, so that who saves much loses own
    /// ones before others do. Ends with the list: every turn takes one off it.
    fn make_room(&self, name: &str, bytes_max: u64) -> Result<u64, CacheError> {
        let mut others = self.list()?;
        others.retain(|other| other.name != name);
        let owner = user_of(name);
        let order = |one: &Listed| (user_of(&one.name) != owner, one.modified, one.name.clone());
        others.sort_by_key(|one| Reverse(order(one)));
        while total(&others) > bytes_max || others.len() >= CONTEXTS_MAX {
            let Some(oldest) = others.pop() else {
                break;
            };
            remove(self.fd(), &oldest.name)?;
            tracing::info!(bytes = oldest.bytes, "the oldest saved context gave way");
        }
        Ok(total(&others))
    }

    fn list(&self) -> Result<Vec<Listed>, CacheError> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut dir = Dir::openat(self.fd(), ".", flags, Mode::empty())?;
        let mut found = Vec::new();
        for entry in dir.iter().take(ENTRIES_MAX) {
            let entry = entry?;
            let name = entry.file_name().to_str().unwrap_or_default();
            if name.ends_with(ENDING) {
                found.extend(self.look(name));
            }
        }
        Ok(found)
    }

    fn look(&self, name: &str) -> Option<Listed> {
        let stat = fstatat(self.fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
        let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
        (kind == SFlag::S_IFREG).then(|| Listed {
            name: name.to_owned(),
            bytes: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime, stat.st_mtime_nsec),
        })
    }
}

fn total(listed: &[Listed]) -> u64 {
    listed.iter().map(|one| one.bytes).sum()
}

/// Opens a name beneath the directory; no link leads out of it or to something else in it.
pub(super) fn open(dir: BorrowedFd<'_>, name: &str, how: OFlag) -> Result<File, Errno> {
    let mode =
        if how.contains(OFlag::O_CREAT) { Mode::S_IRUSR | Mode::S_IWUSR } else { Mode::empty() };
    let how = OpenHow::new()
        .flags(how | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)
        .mode(mode)
        .resolve(
            ResolveFlag::RESOLVE_BENEATH
                | ResolveFlag::RESOLVE_NO_SYMLINKS
                | ResolveFlag::RESOLVE_NO_MAGICLINKS,
        );
    openat2(dir, name, how).map(File::from)
}

/// Makes a file of this name, in the place of one that was left half written.
pub(super) fn create(dir: BorrowedFd<'_>, name: &str) -> Result<File, CacheError> {
    remove(dir, name)?;
    Ok(open(dir, name, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL)?)
}

/// Gives a file its last name, in the place of what has that name, and atomically in either case.
///
/// The C library makes a plain rename of `renameat2` without flags (`renameat`), which the broker's
/// filter does not know; with these it does what it says (Linux 3.15; NFS knows neither).
fn replace(dir: BorrowedFd<'_>, from: &str, to: &str) -> Result<(), CacheError> {
    match renameat2(dir, from, dir, to, RenameFlags::RENAME_NOREPLACE) {
        Err(Errno::EEXIST) => {
            renameat2(dir, from, dir, to, RenameFlags::RENAME_EXCHANGE)?;
            remove(dir, from)
        }
        done => Ok(done?),
    }
}

/// Deletes a name, if it is there.
pub(super) fn remove(dir: BorrowedFd<'_>, name: &str) -> Result<(), CacheError> {
    match unlinkat(dir, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Makes a new name last.
pub(super) fn sync(dir: BorrowedFd<'_>) -> io::Result<()> {
    open(dir, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY)?.sync_all()
}

/// The user that a context's file name starts with.
fn user_of(name: &str) -> &str {
    name.split_once('-').map_or("", |(user, _)| user)
}
