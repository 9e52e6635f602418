//! Which models the names in `models/` stand for.

use std::os::fd::BorrowedFd;

use core_wire::{
    code::{Code, Refusal},
    ids::ModelId,
};
use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::OFlag,
    sys::stat::{Mode, fstat},
    unistd::geteuid,
};

use super::registry::Source;
use crate::config::ModelConfig;

/// Entries of `models/` that are looked at. A directory with more is not one of models, and the
/// listing runs between two tokens: 4096 names take a few milliseconds.
const ENTRIES_MAX: usize = 4096;

/// What ends the name of a model file.
pub(super) const SUFFIX: &str = ".gguf";

/// Into how many files a model is split whose first one has this name.
pub(super) fn parts_of(file: &str) -> Option<u32> {
    split(file.strip_suffix(SUFFIX).unwrap_or(file)).map(|(_, of)| of)
}

/// The models that the names in `models/` stand for.
pub(super) fn list(models: BorrowedFd<'_>) -> Result<Vec<(ModelId, Source)>, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut dir = Dir::openat(models, ".", flags, Mode::empty())?;
    let mut found = Vec::new();
    for (seen, entry) in dir.iter().enumerate() {
        if seen >= ENTRIES_MAX {
            tracing::warn!(limit = ENTRIES_MAX, "models/ has more entries; the rest is not seen");
            break;
        }
        let entry = entry?;
        if let Ok(name) = entry.file_name().to_str() {
            found.extend(of_file(name));
        }
    }
    Ok(found)
}

/// The model that a file name stands for: its stem, and for a split model the name of all parts.
pub(super) fn of_file(name: &str) -> Option<(ModelId, Source)> {
    let stem = name.strip_suffix(SUFFIX)?;
    let (id, parts) = match split(stem) {
        Some((id, of)) => (id, Some(of)),
        None if is_part(stem) => return None,
        None => (stem, None),
    };
    if id.contains("..") {
        return None;
    }
    let id = ModelId::try_from(id.to_owned()).ok()?;
    let settings = ModelConfig::default();
    Some((id, Source { file: name.to_owned(), parts, settings }))
}

/// Splits the stem of the first part of a split model, `NAME-00001-of-0000N`, into name and N.
fn split(stem: &str) -> Option<(&str, u32)> {
    let (name, part, of) = parts(stem)?;
    (part == 1).then_some((name, of))
}

pub(super) fn is_part(stem: &str) -> bool {
    parts(stem).is_some()
}

fn parts(stem: &str) -> Option<(&str, u32, u32)> {
    let (head, of) = stem.rsplit_once("-of-")?;
    let (name, part) = head.rsplit_once('-')?;
    let five = |digits: &str| -> Option<u32> {
        let plain = digits.len() == 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok())?
    };
    Some((name, five(part)?, five(of)?))
}

/// The refusal for every model that is not known while models/ cannot be listed.
pub(super) fn unlisted(models: BorrowedFd<'_>, errno: Errno) -> Refusal {
    let mode = fstat(models).map(|stat| format!("{:04o}", stat.st_mode & 0o7777));
    let message = format!(
        "models/ has mode {} and user {}, whom the broker runs as, cannot list it ({}): \
         chmod or chown it",
        mode.as_deref().unwrap_or("unknown"),
        geteuid(),
        errno.desc()
    );
    Refusal::new(Code::ModelUnreadable, message)
}
