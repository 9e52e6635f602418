//! Every model that is known and what it is doing.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::fd::BorrowedFd,
};

use core_wire::{
    client::{ModelInfo, event::ModelState, status::TokenCounts},
    code::{Code, Refusal},
    ids::{BadId, ModelId},
    worker::{ModelFacts, Needs},
};
use nix::errno::Errno;

use super::{
    editions::Coming,
    files::{Content, Names},
    hash::{Digest, hex},
    listing::{self, SUFFIX},
    loader::{Stamp, shown},
    swap::Attempts,
};
use crate::{
    config::{Config, Keep, ModelConfig},
    scheduler::{Edition, LineId, Part},
};

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
    /// What core.toml and models/ say of it, whatever was swapped in.
    pub(super) found: Option<Source>,
    /// Files that it was served from before, while a request of theirs has not ended.
    pub(crate) before: BTreeMap<Edition, Source>,
    /// The file that takes its place once its worker is ready.
    pub(super) coming: Option<Coming>,
    /// The file that it was found with, or that core.toml names, where another was swapped in.
    pub(super) instead_of: Option<String>,
    /// The edition that was given out last.
    pub(super) last_edition: Edition,
    /// Whether it is brought back in a while.
    pub(crate) returns: bool,
    /// What its last worker or inspector said of it.
    pub(crate) facts: ModelFacts,
    /// What a worker for it takes, as its last inspector said.
    pub(crate) needs: Needs,
    pub(crate) attempts: Attempts,
    /// What became of swaps of late.
    pub(super) swaps: Attempts,
    /// What became of its spares of late.
    pub(crate) spares: Attempts,
    /// Workers that were started for it, those that stood by once they served.
    pub(crate) starts: u32,
    /// Tokens of its workers that are gone.
    pub(crate) tokens: TokenCounts,
    /// How the last of its workers ended that was not asked to.
    pub(crate) last_death: Option<String>,
}

/// Every model, by id.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    entries: BTreeMap<ModelId, Entry>,
    /// Why models/ could not be listed the last time.
    unlisted: Option<Refusal>,
    /// What models/ was as it was listed the last time: a name that comes or goes changes that, and
    /// its mode does, but not what is in a file.
    listed: Option<Stamp>,
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
        for (id, source) in self.list(models)? {
            if !claimed.contains(&source.file) {
                found.entry(id).or_insert(source);
            }
        }
        self.entries.retain(|id, entry| found.contains_key(id) || entry.is_in_use());
        for (id, source) in found {
            let entry = self.entries.entry(id).or_default();
            entry.declare(source);
            entry.measure(models);
        }
        Ok(())
    }

    fn list(&mut self, models: BorrowedFd<'_>) -> Result<Vec<(ModelId, Source)>, Errno> {
        // Before the names are read: what comes meanwhile is seen as a change.
        self.listed = Stamp::now(models).ok();
        let listed = listing::list(models);
        self.unlisted = listed.as_ref().err().map(|&errno| listing::unlisted(models, errno));
        listed
    }

    /// Whether models/ has changed since it was listed. A change within the grain of the file
    /// system's clock, up to some milliseconds, is not seen.
    pub(crate) fn is_behind(&self, models: BorrowedFd<'_>) -> bool {
        Stamp::now(models).ok() != self.listed
    }

    /// The refusal for a name that no model has, as far as that can be told.
    pub(crate) fn unknown(&self, name: &str) -> Refusal {
        self.unlisted.clone().unwrap_or_else(|| unknown(name))
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
        let coming = entry.coming.as_ref().filter(|coming| coming.edition == line.edition);
        entry.before.get(&line.edition).or(coming.map(|coming| &coming.source))
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
    /// Looks how large its files are.
    pub(super) fn measure(&mut self, models: BorrowedFd<'_>) {
        let content = Names::of(&self.source).map(|names| names.content(models));
        if let Some(content) = content.ok().filter(Content::is_there) {
            self.size_bytes = content.size_bytes();
        }
    }

    /// What its worker said of it, as long as that worker serves: another content may have come.
    pub(crate) fn served(&self) -> Option<&ModelFacts> {
        let serves = matches!(self.state, ModelState::Ready | ModelState::Draining);
        serves.then_some(&self.facts)
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
            memory_bytes: self.needs.host_total(),
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
        let parts = listing::parts_of(&file);
        (id.clone(), Source { file, parts, settings: settings.clone() })
    });
    declared.collect()
}
