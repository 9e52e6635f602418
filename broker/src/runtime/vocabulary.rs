//! Workers that hold a vocabulary and no weights: they tokenize, and compile grammars.
//!
//! Tokenizing needs no weights, so it never loads them: where the model's own worker serves, that
//! one is asked, and otherwise one that reads the vocabulary of `tokenizers/NAME.gguf`, or of the
//! model's own file. Grammars are compiled in a worker of their own, for the very file that is
//! served, before they may reach the one that serves it. Neither counts against the model when it
//! fails, and both end when nobody needs them.

use std::os::fd::AsFd as _;

use core_wire::{
    code::Refusal,
    ids::ModelId,
    worker::{
        Purpose,
        config::{Load, Serve},
    },
};
use tokio::time::Instant;

use super::{
    Core, Shared, content, killed,
    launch::Plan,
    load::{self, Failure},
    variant,
    worker::Stage,
};
use crate::{
    memory::pool::Grant,
    models::{
        files::{Content, Files, Names},
        hash::Digest,
        loader::{Folder, Stamp},
        registry,
    },
    scheduler::{Event, LineId, Loss, Part, Tenure, WorkerId},
    workers::{cause::Cause, link::Role, recover::Ended},
};

/// Tokenizing and compiling run on the main thread.
const THREADS: u32 = 1;

/// A vocabulary that may be given to a worker.
struct Prepared {
    files: Files,
    digest: Digest,
    serve: Serve,
    grant: Grant,
}

/// Where a vocabulary comes from.
enum Origin {
    Tokenizers,
    Models,
}

/// Loads a vocabulary and tends its worker to the end; the scheduler hears of both.
pub(super) async fn serve(core: Shared, line: LineId) {
    killed::rest(&core, &line).await;
    let prepared = match prepare(&core, &line).await {
        Ok(prepared) => prepared,
        Err(failure) => return core.borrow_mut().no_vocabulary(line, failure),
    };
    let Prepared { files, digest, serve, grant } = prepared;
    let content = files.content();
    let plan = Plan {
        role: Role::Vocabulary,
        threads: THREADS,
        purpose: Purpose::Serve(serve),
        line: Some(line.clone()),
        within: load::load_within(&content),
        files,
        grant,
        gpu: None,
    };
    let run = load::run(&core, plan, digest).await;
    let mut core = core.borrow_mut();
    match run {
        Ok((id, ended)) => core.vocabulary_ended(id, line, content, &ended),
        Err(refusal) => core.no_vocabulary(line, Failure::of(refusal, content)),
    }
}

async fn prepare(core: &Shared, line: &LineId) -> Result<Prepared, Failure> {
    let (files, origin) = core.borrow().open_vocabulary(line)?;
    let about = |refusal| Failure::of(refusal, files.content());
    // Of all files of the model, though a vocabulary needs no adapters: a grammar is compiled for
    // what is served.
    let digest = content::digest(core, &files).await.map_err(about)?;
    match origin {
        Origin::Tokenizers => {}
        Origin::Models => core.borrow().check_digest(line, digest).map_err(about)?,
    }
    let variant = variant::variant(core).await.map_err(about)?;
    let grant = core.borrow().grant_of_vocabulary(line, &origin, &files);
    load::memory(core, line, &grant, 0).await?;
    let whole = core.borrow().serve_config(line, &variant);
    let files = files.without_adapters();
    let (parts, adapters) = (files.parts(), Vec::new());
    let load = Load::Vocabulary;
    let serve =
        Serve { load, threads: THREADS, slots: 1, parts, adapters, backends: Vec::new(), ..whole };
    Ok(Prepared { files, digest, serve, grant })
}

impl Core {
    /// The line that tokenizes for a model or a tokenizer of this name.
    pub(super) fn vocabulary_of(&mut self, name: &str) -> Result<LineId, Refusal> {
        let known = self.registry.find(name)?.or_else(|| self.tokenizer(name));
        let model = match known {
            Some(model) => model,
            None => self.model(name)?,
        };
        let part = if self.is_served(&model) { Part::Whole } else { Part::Vocabulary };
        Ok(self.registry.line(model, part))
    }

    /// The file of this name in `tokenizers/`, if there is one.
    fn tokenizer(&self, name: &str) -> Option<ModelId> {
        let id = ModelId::try_from(name.to_owned()).ok()?;
        let stamp = Stamp::of_name(self.setup.tokenizers.as_fd(), &registry::file_of(&id));
        stamp.map(|_| id)
    }

    /// Whether the model's own worker takes work.
    fn is_served(&self, model: &ModelId) -> bool {
        let current = self.registry.line(model.clone(), Part::Whole);
        self.workers.iter().any(|(&id, worker)| {
            let whole = worker.whole() == Some(&current);
            whole && worker.stage == Stage::Serving && !self.scheduler.is_finishing(id)
        })
    }

    /// Opens the files of a vocabulary, unless they failed a moment ago.
    fn open_vocabulary(&self, line: &LineId) -> Result<(Files, Origin), Failure> {
        let (folder, names, origin) = self.origin(line)?;
        let content = names.content(folder.fd);
        let failed = self.vocabularies.get(line);
        if let Some(refusal) = failed.and_then(|failed| failed.too_early(&content, self.now_ms())) {
            return Err(Failure::of(refusal, content));
        }
        let opened = Files::open(folder, &names);
        let files = opened.map_err(|refusal| Failure::of(refusal, content))?;
        Ok((files, origin))
    }

    /// Where a vocabulary comes from: what core.toml names, what has the model's name, or its own
    /// files. A grammar is compiled for those in any case.
    fn origin(&self, line: &LineId) -> Result<(Folder<'_>, Names, Origin), Failure> {
        let tokenizers = Folder::tokenizers(self.setup.tokenizers.as_fd());
        let source = self.registry.source(line);
        let named = source.and_then(|source| source.settings.tokenizer.clone());
        let own = registry::file_of(&line.model);
        let usual = Stamp::of_name(tokenizers.fd, &own).map(|_| own);
        let file = named.or(usual).filter(|_| line.part == Part::Vocabulary);
        if let Some(file) = file {
            return Ok((tokenizers, Names::single(&file), Origin::Tokenizers));
        }
        let unknown = || Failure::of_nothing(registry::unknown(line.model.as_str()));
        let names = Names::of(source.ok_or_else(unknown)?).map_err(Failure::of_nothing)?;
        Ok((Folder::models(self.setup.models.as_fd()), names, Origin::Models))
    }

    /// What a worker for it may use, by the tokens of the model where it was inspected.
    fn grant_of_vocabulary(&self, line: &LineId, origin: &Origin, files: &Files) -> Grant {
        let entry = match origin {
            Origin::Tokenizers => None,
            Origin::Models => self.registry.entry(&line.model),
        };
        let known = entry.map(|entry| entry.facts.n_vocab).filter(|&n_vocab| n_vocab > 0);
        Grant::of_vocabulary(known, files.content().size_bytes())
    }

    /// A vocabulary worker can be given work.
    pub(super) fn vocabulary_ready(&mut self, worker: WorkerId, line: LineId) {
        self.vocabularies.remove(&line);
        let tenure = Tenure::default();
        self.drive(Event::Ready { line, worker, slots: 1, cells: 0, tenure });
    }

    /// Dismisses a vocabulary worker that nobody needed for long.
    pub(super) fn dismiss_unused(&mut self, id: WorkerId) {
        let now = Instant::now();
        let Some(worker) = self.workers.get_mut(&id).filter(|worker| worker.is_unused(now)) else {
            return;
        };
        // Should somebody wait for it after all, it stays, and is looked at again after as long.
        worker.used_at = now;
        if let Some(line) = worker.line.clone() {
            self.drive(Event::Dismissed(line));
        }
    }

    fn no_vocabulary(&mut self, line: LineId, failure: Failure) {
        // Without room nothing is wrong with the file, and without a content there is none.
        let (refusal, content) = failure.parts();
        tracing::warn!(
            model = %line.model,
            code = refusal.code.name(),
            reason = refusal.message,
            "no vocabulary"
        );
        let now_ms = self.now_ms();
        if content.is_there() {
            // Of a file that is there, so there are no more of these than files.
            let attempts = self.vocabularies.entry(line.clone()).or_default();
            if attempts.too_early(&content, now_ms).is_none() {
                attempts.failed(refusal.clone(), content, now_ms);
            }
        }
        self.drive(Event::LoadFailed { line, refusal });
    }

    fn vocabulary_ended(&mut self, id: WorkerId, line: LineId, content: Content, ended: &Ended) {
        let Some(worker) = self.workers.get_mut(&id).filter(|worker| worker.is_served()) else {
            self.remove(id);
            if ended.cause() == Cause::Killed {
                return self.load_killed(&line);
            }
            return self.no_vocabulary(line, Failure::of(ended.while_loading(), content));
        };
        let verdict = ended.verdict.as_ref().map(ToString::to_string);
        let name = worker.name();
        tracing::info!(model = name, verdict, "worker gone: it {}", ended.death);
        if !ended.is_lasting() {
            // Without it nothing is remembered of what it worked on.
            worker.digest = None;
        }
        let refusal = match line.part {
            Part::Grammar => ended.while_compiling(),
            Part::Whole | Part::Vocabulary => ended.while_serving(),
        };
        // What it worked on is remembered by its digest, so it is forgotten only after that.
        // A text that kills tokenizers is told from one that was there by chance; a grammar was
        // alone.
        let loss = match line.part {
            Part::Grammar => Loss::Final,
            Part::Whole | Part::Vocabulary => self.judge(id, &content, ended),
        };
        if loss != Loss::Final {
            self.keep_what_it_said(id);
        }
        self.drive(Event::Gone { worker: id, refusal, loss });
        self.remove(id);
    }
}
