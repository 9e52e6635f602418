//! Which file a model is served from: the one that it was found with or that core.toml names, until
//! another one is swapped in.
//!
//! A swap lasts until the broker ends, or until core.toml names another file than it did: looking
//! at models/ again is no reason to go back.

use std::{
    os::fd::BorrowedFd,
    path::{Component, Path},
};

use core_wire::{
    client::event::ModelState,
    code::{Code, Refusal},
    ids::ModelId,
    worker::ModelFacts,
};

use super::{
    files::Content,
    hash::Digest,
    listing::parts_of,
    loader::shown,
    registry::{Entry, Registry, Source, unknown},
    swap::Attempts,
};
use crate::scheduler::{Edition, LineId, Part};

/// A file that is to take the place of a model's own.
#[derive(Debug)]
pub(super) struct Coming {
    pub(super) edition: Edition,
    pub(super) source: Source,
    /// What the model was doing before it was shown as loading because of this.
    shown_instead: Option<ModelState>,
}

impl Registry {
    /// Notes the file that a model is to be served from; answers its line. What core.toml says of
    /// the model holds for it too, but for the digest: that is the file's own, if one is declared.
    ///
    /// # Errors
    /// `MODEL_PATH` for a name that is none beneath models/, `UNKNOWN_MODEL`.
    pub(crate) fn comes(&mut self, model: &ModelId, file: &str) -> Result<LineId, Refusal> {
        check_name(file)?;
        let sha256 = self.declared(file);
        let entry = self.entry_mut(model).ok_or_else(|| unknown(model.as_str()))?;
        entry.last_edition.0 = entry.last_edition.0.saturating_add(1);
        let edition = entry.last_edition;
        let mut settings = entry.source.settings.clone();
        settings.sha256 = sha256;
        let source = Source { file: file.to_owned(), parts: parts_of(file), settings };
        entry.coming = Some(Coming { edition, source, shown_instead: None });
        Ok(LineId { model: model.clone(), part: Part::Whole, edition })
    }

    /// The digest that core.toml declares for a file, under whichever model.
    fn declared(&self, file: &str) -> Option<Digest> {
        let sources = self.iter().map(|(_, entry)| entry.found.as_ref().unwrap_or(&entry.source));
        let mut of_file = sources.filter(|source| source.file == file);
        of_file.find_map(|source| source.settings.sha256)
    }

    /// The last failures of a line: of the model, or of the file that is to take its place.
    pub(crate) fn attempts_mut(&mut self, line: &LineId) -> Option<&mut Attempts> {
        let entry = self.entry_mut(&line.model)?;
        if entry.edition == line.edition {
            return Some(&mut entry.attempts);
        }
        let coming = entry.coming.as_ref().filter(|coming| coming.edition == line.edition);
        coming.map(|_| &mut entry.swaps)
    }

    /// Why it is too early to load a line with such a content.
    pub(crate) fn too_early(
        &self,
        line: &LineId,
        content: &Content,
        now_ms: u64,
    ) -> Option<Refusal> {
        let entry = self.entry(&line.model)?;
        let coming = entry.coming.as_ref().filter(|coming| coming.edition == line.edition);
        let attempts = coming.map_or(&entry.attempts, |_| &entry.swaps);
        attempts.too_early(content, now_ms)
    }

    /// The worker of a line starts. A model that nobody serves meanwhile is shown as loading.
    pub(crate) fn starts(&mut self, line: &LineId) {
        let Some(entry) = self.entry_mut(&line.model) else {
            return;
        };
        let (state, coming) = (entry.state, entry.coming.as_mut());
        let coming = coming.filter(|coming| coming.edition == line.edition);
        if let (Some(coming), ModelState::Unloaded | ModelState::Failed) = (coming, state) {
            coming.shown_instead = Some(state);
            entry.state = ModelState::Loading;
        }
    }

    /// A model is served from the file that was to come.
    pub(crate) fn swapped(
        &mut self,
        models: BorrowedFd<'_>,
        line: &LineId,
        (facts, digest): (ModelFacts, Option<Digest>),
    ) {
        let Some(entry) = self.entry_mut(&line.model) else {
            return;
        };
        let Some(coming) = entry.coming.take_if(|coming| coming.edition == line.edition) else {
            return;
        };
        let old = std::mem::replace(&mut entry.source, coming.source);
        if entry.instead_of.as_ref() == Some(&entry.source.file) {
            entry.instead_of = None;
        } else {
            entry.instead_of.get_or_insert_with(|| old.file.clone());
        }
        entry.before.insert(entry.edition, old);
        entry.edition = line.edition;
        (entry.state, entry.facts, entry.sha256) = (ModelState::Ready, facts, digest);
        entry.attempts.succeeded();
        entry.swaps.succeeded();
        entry.measure(models);
    }

    /// The worker of a line takes nothing new, and finishes what it has.
    pub(crate) fn drains(&mut self, line: &LineId) {
        if let Some(entry) = self.current_mut(line) {
            entry.state = ModelState::Draining;
        }
    }

    /// The file that was to come does not.
    pub(crate) fn kept(&mut self, line: &LineId) {
        let Some(entry) = self.entry_mut(&line.model) else {
            return;
        };
        let coming = entry.coming.take_if(|coming| coming.edition == line.edition);
        let shown_instead = coming.and_then(|coming| coming.shown_instead);
        if let (Some(state), ModelState::Loading) = (shown_instead, entry.state) {
            entry.state = state;
        }
    }
}

impl Entry {
    /// Whether a file is to take the place of its own.
    pub(crate) fn is_swapping(&self) -> bool {
        self.coming.is_some()
    }

    /// Whether it stays even if its file went.
    pub(super) fn is_in_use(&self) -> bool {
        let served = match self.state {
            ModelState::Loading | ModelState::Ready | ModelState::Draining => true,
            ModelState::Unloaded | ModelState::Failed => false,
        };
        served || self.coming.is_some() || self.instead_of.is_some() || !self.before.is_empty()
    }

    /// What models/ and core.toml say of it. A file that was swapped in stays, unless another one
    /// is named by now than the one that it took the place of.
    pub(super) fn declare(&mut self, source: Source) {
        self.found = Some(source.clone());
        if self.instead_of.as_ref() == Some(&source.file) {
            let own = source.file == self.source.file;
            let kept = self.source.settings.sha256;
            self.source.settings = source.settings;
            if !own {
                self.source.settings.sha256 = kept;
            }
            return;
        }
        self.instead_of = None;
        self.source = source;
    }
}

/// The loader's openat2 refuses the same later; here before anything is kept of it.
fn check_name(file: &str) -> Result<(), Refusal> {
    let mut parts = Path::new(file).components();
    let plain = parts.all(|part| matches!(part, Component::Normal(_)));
    if plain && !file.is_empty() && !file.contains('\0') {
        return Ok(());
    }
    let message = format!(
        "`{}` is no name beneath models/: name a file there, without `..`, `.`, a leading `/` and \
         NUL",
        shown(file)
    );
    Err(Refusal::new(Code::ModelPath, message))
}
