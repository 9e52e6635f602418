//! The key that authenticates saved contexts: 32 random bytes in cache/key, made at first use.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::{fd::BorrowedFd, unix::fs::MetadataExt as _},
};

use hmac::{Hmac, KeyInit as _};
use nix::{
    errno::Errno,
    fcntl::{OFlag, RenameFlags, renameat2},
    unistd::geteuid,
};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    CacheError,
    folder::{self, open},
};

/// Bytes of the key: the output of the hash, more adds nothing.
pub(super) const KEY_BYTES: usize = 32;
/// Its name.
const KEY: &str = "key";
/// What it is called until it is whole.
const KEY_NEW: &str = ".key";

/// The key; wiped when it is dropped.
pub(super) struct Key(Zeroizing<[u8; KEY_BYTES]>);

impl Key {
    /// The key of a directory; `None` where there is none.
    ///
    /// # Errors
    /// [`CacheError::Key`] for one that others may have read or written.
    pub(super) fn open(dir: BorrowedFd<'_>) -> Result<Option<Self>, CacheError> {
        let mut file = match open(dir, KEY, OFlag::O_RDONLY) {
            Ok(file) => file,
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(unusable(format!("cannot be opened ({})", errno.desc()))),
        };
        let found = file.metadata()?;
        if !found.is_file() || found.len() != KEY_BYTES as u64 {
            return Err(unusable(format!("is no file of {KEY_BYTES} bytes")));
        }
        if found.mode() & 0o077 != 0 || found.uid() != geteuid().as_raw() {
            let (mode, uid) = (found.mode() & 0o7777, found.uid());
            let ours = geteuid();
            return Err(unusable(format!(
                "has mode {mode:04o} and user {uid}; it must have 0600 and user {ours}"
            )));
        }
        let mut key = Self(Zeroizing::default());
        file.read_exact(&mut *key.0)?;
        Ok(Some(key))
    }

    /// The key of a directory, made where there is none. It gets its name only once it is whole,
    /// and only while nothing has that name.
    ///
    /// # Errors
    /// As [`Key::open`], and what the kernel answers.
    pub(super) fn open_or_make(dir: BorrowedFd<'_>) -> Result<Self, CacheError> {
        if let Some(key) = Self::open(dir)? {
            return Ok(key);
        }
        let mut key = Self(Zeroizing::default());
        getrandom::fill(&mut *key.0).map_err(|error| io::Error::other(error.to_string()))?;
        let mut file: File = folder::create(dir, KEY_NEW)?;
        file.write_all(&*key.0)?;
        file.sync_all()?;
        renameat2(dir, KEY_NEW, dir, KEY, RenameFlags::RENAME_NOREPLACE)?;
        folder::sync(dir)?;
        Ok(key)
    }

    /// A MAC under this key.
    pub(super) fn mac(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(&*self.0).expect("HMAC takes a key of any length")
    }

    #[cfg(test)]
    pub(super) fn of(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

fn unusable(why: String) -> CacheError {
    CacheError::Key { why }
}
