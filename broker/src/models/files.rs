//! The files of one model: which they are, opened all or not at all, and looked at again later.
//!
//! A model is one file, or several parts of which the first one's name tells how many there are,
//! and the LoRA adapters that core.toml names. They are opened once; the worker inherits these very
//! descriptors, they are hashed through them, and as long as the worker lives the broker keeps them
//! to see whether what is served is still what was hashed.

#[cfg(test)]
mod tests;

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    time::SystemTime,
};

use core_policy::fds::MODEL_FILES_MAX;
use core_wire::code::{Code, Refusal};

use super::{
    listing::{SUFFIX, is_part},
    loader::{self, Folder, Stamp, shown},
    registry::Source,
};

/// The names of a model's files beneath one directory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Names {
    /// Its parts in order, then its adapters.
    all: Vec<String>,
    /// How many of them are parts.
    parts: usize,
    /// How strongly each adapter is applied.
    scales: Vec<f32>,
}

/// Which content the files of a model have; nothing for one that is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Content(Vec<Option<Stamp>>);

/// The open files of a model.
#[derive(Debug, Default)]
pub(crate) struct Files {
    names: Vec<String>,
    fds: Vec<OwnedFd>,
    stamps: Vec<Stamp>,
    parts: usize,
    scales: Vec<f32>,
}

/// What became of open files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing.
    Same,
    /// Something about one, perhaps only its name or its mode: reading it again will tell.
    Touched,
    /// This one has another size or was written to.
    Changed {
        /// Its name, as a sentence may carry it.
        file: String,
    },
}

impl Names {
    /// The files of a model.
    ///
    /// # Errors
    /// `MODEL_LOAD` for a file that is a later part, or for more files than a worker can be given.
    pub(crate) fn of(source: &Source) -> Result<Self, Refusal> {
        let (file, adapters) = (&source.file, &source.settings.adapters);
        let stem = file.strip_suffix(SUFFIX).unwrap_or(file);
        let parts = source.parts.unwrap_or(1);
        if parts == 0 || (source.parts.is_none() && is_part(stem)) {
            let message = format!(
                "{} is not the first part of a split model: name the one with -00001-of-",
                shown(file)
            );
            return Err(Refusal::new(Code::ModelLoad, message));
        }
        let count = usize::try_from(parts).unwrap_or(usize::MAX);
        if count > MODEL_FILES_MAX.saturating_sub(adapters.len()) {
            let message = format!(
                "{} has {parts} parts and {} adapters; at most {MODEL_FILES_MAX} files are served",
                shown(file),
                adapters.len()
            );
            return Err(Refusal::new(Code::ModelLoad, message));
        }
        let head = stem.strip_suffix(&format!("-00001-of-{parts:05}")).filter(|_| parts > 1);
        let mut all: Vec<_> = match head {
            Some(head) => {
                (1..=parts).map(|part| format!("{head}-{part:05}-of-{parts:05}{SUFFIX}")).collect()
            }
            None => vec![file.clone()],
        };
        let parts = all.len();
        all.extend(adapters.iter().map(|adapter| adapter.file.clone()));
        let scales = adapters.iter().map(|adapter| adapter.scale).collect();
        Ok(Self { all, parts, scales })
    }

    /// One file that is all of it.
    pub(crate) fn single(file: &str) -> Self {
        Self { all: vec![file.to_owned()], parts: 1, scales: Vec::new() }
    }

    /// How many of them are parts.
    pub(crate) fn parts(&self) -> u8 {
        u8::try_from(self.parts).unwrap_or(u8::MAX)
    }

    /// How strongly each adapter is applied.
    pub(crate) fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// The content of the files now, by their names.
    pub(crate) fn content(&self, folder: BorrowedFd<'_>) -> Content {
        Content(self.all.iter().map(|name| Stamp::of_name(folder, name)).collect())
    }
}

impl Content {
    /// The stamp of each file; `None` for one that is not there.
    pub(super) fn stamps(&self) -> &[Option<Stamp>] {
        &self.0
    }

    /// Whether any of the files is there.
    pub(crate) fn is_there(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }

    /// Bytes of those that are there.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.0.iter().flatten().fold(0, |sum, stamp| sum.saturating_add(stamp.size_bytes))
    }

    /// Whether whatever is written to them from now on makes another content of it.
    pub(crate) fn is_settled(&self) -> bool {
        let now = SystemTime::now();
        self.0.iter().flatten().all(|stamp| stamp.is_settled(now))
    }
}

impl Files {
    /// Opens every file of a model.
    ///
    /// # Errors
    /// Those of [`loader::open`] for the first that does not open.
    pub(crate) fn open(folder: Folder<'_>, names: &Names) -> Result<Self, Refusal> {
        let (parts, scales) = (names.parts, names.scales.clone());
        let mut files = Self { parts, scales, ..Self::default() };
        for name in &names.all {
            let opened = loader::open(folder, name)?;
            files.names.push(name.clone());
            files.fds.push(opened.fd);
            files.stamps.push(opened.stamp);
        }
        Ok(files)
    }

    /// What a worker of the whole model is given.
    pub(crate) fn fds(&self) -> &[OwnedFd] {
        &self.fds
    }

    /// What each was when it was opened, or last found to be the same.
    pub(crate) fn stamps(&self) -> &[Stamp] {
        &self.stamps
    }

    /// How many of them are parts.
    pub(crate) fn parts(&self) -> u8 {
        u8::try_from(self.parts).unwrap_or(u8::MAX)
    }

    /// How strongly each adapter is applied.
    pub(crate) fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// Its adapters, with how strongly each is applied.
    pub(crate) fn adapters(&self) -> Vec<(String, f32)> {
        let names = self.names.iter().skip(self.parts);
        names.cloned().zip(self.scales.iter().copied()).collect()
    }

    /// The name of the first, as a sentence may carry it.
    pub(crate) fn first_name(&self) -> String {
        self.names.first().map(|name| shown(name)).unwrap_or_default()
    }

    /// Leaves the adapters out, for a worker that only reads the vocabulary.
    #[must_use]
    pub(crate) fn without_adapters(mut self) -> Self {
        self.fds.truncate(self.parts);
        self.stamps.truncate(self.parts);
        self.names.truncate(self.parts);
        self.scales.clear();
        self
    }

    /// The content that was opened.
    pub(crate) fn content(&self) -> Content {
        Content(self.stamps.iter().copied().map(Some).collect())
    }

    /// The same files once more.
    ///
    /// # Errors
    /// The descriptors cannot be copied.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        let fds = self.fds.iter().map(OwnedFd::try_clone).collect::<Result<_, _>>()?;
        let (names, stamps, scales) =
            (self.names.clone(), self.stamps.clone(), self.scales.clone());
        Ok(Self { names, fds, stamps, parts: self.parts, scales })
    }

    /// Looks at the very files that are open, whatever has their names by now.
    pub(crate) fn look(&self) -> Look {
        let mut found = Look::Same;
        for ((fd, stamp), name) in self.fds.iter().zip(&self.stamps).zip(&self.names) {
            match Stamp::now(fd.as_fd()) {
                Ok(now) if now == *stamp => {}
                Ok(now) if now.is_same_content(stamp) => found = Look::Touched,
                Ok(_) | Err(_) => return Look::Changed { file: shown(name) },
            }
        }
        found
    }

    /// Takes what the files are now for what they are to be.
    pub(crate) fn accept(&mut self, stamps: &[Stamp]) {
        self.stamps = stamps.to_vec();
    }
}
