//! Every model that is known and what it is doing.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::fd::BorrowedFd,
};

use core_wire::{
    client::{ModelInfo, event::ModelState},
    code::{Code, Refusal},
    ids::{BadId, ModelId},
    worker::ModelFacts,
};
use nix::{dir::Dir, errno::Errno, fcntl::OFlag, sys::stat::Mode};

use super::{
    hash::{Digest, hex},
    loader::{Stamp, shown},
    swap::Attempts,
};
use crate::{
    config::{Config, Keep, ModelConfig},
    scheduler::{Edition, LineId, Part},
};

/// Entries of `models/` that are looked at. A directory with more is not one of models, and the
/// listing runs between two tokens: 4096 names take a few milliseconds.
const ENTRIES_MAX: usize = 4096;

/// What ends the name of a model file.
const SUFFIX: &str = ".gguf";

/// Where a model comes from and how it is to be served.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Source {
    /// Its file, beneath `models/`.
    pub(crate) file: String,
    /// How many files it is split into, where its name says so.
    pub(crate) parts: Option<u32>,
    /// What the configuration says of it.
    pub(crate) settings: ModelConfig,
}

/// One model.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) source: Source,
    pub(crate) state: ModelState,
    pub(crate) size_bytes: u64,
    pub(crate) sha256: Option<Digest>,
    /// Which of its files `source` is.
    pub(crate) edition: Edition,
    /// Files that it was served from before, while a request of theirs has not ended.
    pub(crate) before: BTreeMap<Edition, Source>,
    /// What its last worker said of it.
    pub(crate) facts: ModelFacts,
    pub(crate) attempts: Attempts,
    /// What became of its spares of late.
    pub(crate) spares: Attempts,
    /// Workers that were started for it, those that stood by once they served.
    pub(crate) starts: u32,
}

/// Every model, by id.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    entries: BTreeMap<ModelId, Entry>,
}

impl Registry {
    /// Looks at `models/` and the configuration; models in use stay even if their file went.
    ///
    /// # Errors
    /// The directory cannot be read; what was known stays.
    pub(crate) fn scan(&mut self, models: BorrowedFd<'_>, config: &Config) -> Result<(), Errno> {
        let mut found = declared(config);
        // Names in a directory are unique, so only a declaration can have claimed one.
        let claimed: BTreeSet<_> = found.values().map(|other| other.file.clone()).collect();
        for (id, source) in list(models)? {
            if !claimed.contains(&source.file) {
                found.entry(id).or_insert(source);
            }
        }
        self.entries.retain(|id, entry| {
            found.contains_key(id) || matches!(entry.state, ModelState::Loading | ModelState::Ready)
        });
        for (id, source) in found {
            let entry = self.entries.entry(id).or_default();
            if let Some(stamp) = Stamp::of_name(models, &source.file) {
                entry.size_bytes = stamp.size_bytes;
            }
            entry.source = source;
        }
        Ok(())
    }

    /// The model that a client names, if it is known by now.
    ///
    /// # Errors
    /// `MODEL_PATH` for a name that tries to be a path or to disturb a terminal.
    pub(crate) fn find(&self, name: &str) -> Result<Option<ModelId>, Refusal> {
        if name.contains("..") {
            let message = "a model id contains `..`; name a model as `corectl models` lists it";
            return Err(Refusal::new(Code::ModelPath, message));
        }
        match ModelId::try_from(name.to_owned()) {
            Ok(id) => Ok(self.entries.contains_key(&id).then_some(id)),
            Err(
                BadId::ModelLength { .. } | BadId::RequestLength { .. } | BadId::Context { .. },
            ) => Ok(None),
            Err(bad @ (BadId::ModelDot | BadId::ModelCharacter { .. })) => {
                Err(Refusal::new(Code::ModelPath, bad.to_string()))
            }
        }
    }

    pub(crate) fn entry(&self, id: &ModelId) -> Option<&Entry> {
        self.entries.get(id)
    }

    /// The line of a model, for its file of now.
    pub(crate) fn line(&self, model: ModelId, part: Part) -> LineId {
        let edition = self.entries.get(&model).map(|entry| entry.edition);
        LineId { model, part, edition: edition.unwrap_or_default() }
    }

    /// Where the model of a line comes from.
    pub(crate) fn source(&self, line: &LineId) -> Option<&Source> {
        let entry = self.entries.get(&line.model)?;
        if entry.edition == line.edition {
            return Some(&entry.source);
        }
        entry.before.get(&line.edition)
    }

    /// The model of a line, unless that is about another file than the model's of now.
    pub(crate) fn current_mut(&mut self, line: &LineId) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(&line.model);
        entry.filter(|entry| entry.edition == line.edition)
    }

    pub(crate) fn entry_mut(&mut self, id: &ModelId) -> Option<&mut Entry> {
        self.entries.get_mut(id)
    }

    /// Every model, in the order of their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ModelId, &Entry)> {
        self.entries.iter()
    }
}

impl Entry {
    /// What its worker said of it, as long as that worker serves: another content may have come.
    pub(crate) fn served(&self) -> Option<&ModelFacts> {
        (self.state == ModelState::Ready).then_some(&self.facts)
    }

    /// The model as `models` lists it.
    pub(crate) fn info(&self, id: &ModelId) -> ModelInfo {
        ModelInfo {
            id: id.as_str().to_owned(),
            state: self.state,
            sha256: self.sha256.as_ref().map(hex),
            size_bytes: self.size_bytes,
            n_ctx: self.facts.n_ctx,
            n_ctx_train: self.facts.n_ctx_train,
            n_vocab: self.facts.n_vocab,
            n_params: self.facts.n_params,
            architecture: self.facts.architecture.clone(),
            chat_template: self.facts.chat_template,
            reason: self.attempts.reason().map(|refusal| refusal.message.clone()),
            memory_bytes: 0,
            pinned: self.source.settings.keep == Keep::Pinned,
        }
    }
}

/// The usual file of a model or tokenizer.
pub(crate) fn file_of(id: &ModelId) -> String {
    format!("{id}{SUFFIX}")
}

/// The refusal for a name that no model has.
pub(crate) fn unknown(name: &str) -> Refusal {
    const CHARS_MAX: usize = core_wire::limits::MODEL_ID_BYTES_MAX;
    let cut: String = name.chars().take(CHARS_MAX).collect();
    let message =
        format!("no model `{}`: put {0}.gguf into models/, or see `corectl models`", shown(&cut));
    Refusal::new(Code::UnknownModel, message)
}

fn declared(config: &Config) -> BTreeMap<ModelId, Source> {
    let declared = config.models.iter().map(|(id, settings)| {
        let file = settings.file.clone().unwrap_or_else(|| file_of(id));
        let stem = file.strip_suffix(SUFFIX).unwrap_or(&file);
        let parts = split(stem).map(|(_, of)| of);
        (id.clone(), Source { file, parts, settings: settings.clone() })
    });
    declared.collect()
}

/// The models that the names in `models/` stand for.
fn list(models: BorrowedFd<'_>) -> Result<Vec<(ModelId, Source)>, Errno> {
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

fn is_part(stem: &str) -> bool {
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
