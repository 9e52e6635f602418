//! Workers that hold a vocabulary and no weights: they tokenize, and compile grammars.
//!
//! Tokenizing needs no weights, so it never loads them: where the model's own worker serves, that
//! one is asked, and otherwise one that reads the vocabulary of `tokenizers/NAME.gguf`, or of the
//! model's own file. Grammars are compiled in a worker of their own, for the very file that is
//! served, before they may reach the one that serves it. Neither counts against the model when it
//! fails, and both end when nobody needs them.

use std::os::fd::{AsFd as _, OwnedFd};

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
    Core, Shared,
    launch::Plan,
    load::{self, Failure},
    worker::Stage,
};
use crate::{
    models::{
        hash::Digest,
        loader::{self, Folder, Stamp},
        registry,
    },
    scheduler::{Event, LineId, Loss, Part, WorkerId},
    workers::{link::Role, recover::Ended},
};

/// Tokenizing and compiling run on the main thread.
const THREADS: u32 = 1;

/// A vocabulary that may be given to a worker.
struct Prepared {
    fd: OwnedFd,
    stamp: Stamp,
    digest: Digest,
    serve: Serve,
}

/// Where a vocabulary comes from.
enum Origin {
    Tokenizers,
    Models,
}

/// Loads a vocabulary and tends its worker to the end; the scheduler hears of both.
pub(super) async fn serve(core: Shared, line: LineId) {
    let prepared = match prepare(&core, &line).await {
        Ok(prepared) => prepared,
        Err((refusal, stamp)) => return core.borrow_mut().no_vocabulary(line, refusal, stamp),
    };
    let Prepared { fd, stamp, digest, serve } = prepared;
    let plan = Plan {
        role: Role::Vocabulary,
        threads: THREADS,
        purpose: Purpose::Serve(serve),
        line: Some(line.clone()),
        files: vec![fd],
        within: load::load_within(stamp),
    };
    let run = load::run(&core, plan, digest).await;
    let mut core = core.borrow_mut();
    match run {
        Ok((id, ended)) => core.vocabulary_ended(id, line, stamp, &ended),
        Err(refusal) => core.no_vocabulary(line, refusal, Some(stamp)),
    }
}

async fn prepare(core: &Shared, line: &LineId) -> Result<Prepared, Failure> {
    let (fd, stamp, origin) = core.borrow_mut().open_vocabulary(line)?;
    let about = |refusal| (refusal, Some(stamp));
    let digest = load::digest(core, &fd, stamp).await.map_err(about)?;
    match origin {
        Origin::Tokenizers => {}
        Origin::Models => core.borrow().check_digest(line, digest).map_err(about)?,
    }
    let variant = load::variant(core).await.map_err(about)?;
    let whole = core.borrow().serve_config(line, &variant);
    let serve = Serve { load: Load::Vocabulary, threads: THREADS, slots: 1, ..whole };
    Ok(Prepared { fd, stamp, digest, serve })
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
        self.workers.iter().any(|(&id, worker)| {
            let whole = worker.whole().is_some_and(|line| line.model == *model);
            whole && worker.stage == Stage::Serving && !self.scheduler.is_finishing(id)
        })
    }

    /// Opens the file of a vocabulary, unless it failed a moment ago.
    fn open_vocabulary(&mut self, line: &LineId) -> Result<(OwnedFd, Stamp, Origin), Failure> {
        let (folder, file, origin) = self.source(line)?;
        let stamp = Stamp::of_name(folder.fd, &file);
        let failed = self.vocabularies.get(line);
        if let Some(refusal) = failed.and_then(|failed| failed.too_early(stamp, self.now_ms())) {
            return Err((refusal, stamp));
        }
        let opened = loader::open(folder, &file).map_err(|refusal| (refusal, stamp))?;
        Ok((opened.fd, opened.stamp, origin))
    }

    fn source(&self, line: &LineId) -> Result<(Folder<'_>, String, Origin), Failure> {
        let tokenizers = Folder::tokenizers(self.setup.tokenizers.as_fd());
        let own = registry::file_of(&line.model);
        if line.part == Part::Vocabulary && Stamp::of_name(tokenizers.fd, &own).is_some() {
            return Ok((tokenizers, own, Origin::Tokenizers));
        }
        let source = self.registry.source(line);
        let source = source.ok_or_else(|| (registry::unknown(line.model.as_str()), None))?;
        load::check_parts(&line.model, source.parts).map_err(|refusal| (refusal, None))?;
        let models = Folder::models(self.setup.models.as_fd());
        Ok((models, source.file.clone(), Origin::Models))
    }

    /// A vocabulary worker can be given work.
    pub(super) fn vocabulary_ready(&mut self, worker: WorkerId, line: LineId) {
        self.vocabularies.remove(&line);
        self.drive(Event::Ready { line, worker, slots: 1, cells: 0 });
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

    fn no_vocabulary(&mut self, line: LineId, refusal: Refusal, stamp: Option<Stamp>) {
        tracing::warn!(
            model = %line.model,
            code = refusal.code.name(),
            reason = refusal.message,
            "no vocabulary"
        );
        let now_ms = self.now_ms();
        if stamp.is_some() {
            // Of a file that is there, so there are no more of these than files.
            let attempts = self.vocabularies.entry(line.clone()).or_default();
            if attempts.too_early(stamp, now_ms).is_none() {
                attempts.failed(refusal.clone(), stamp, now_ms);
            }
        }
        self.drive(Event::LoadFailed { line, refusal });
    }

    fn vocabulary_ended(&mut self, id: WorkerId, line: LineId, stamp: Stamp, ended: &Ended) {
        let Some(worker) = self.workers.get_mut(&id).filter(|worker| worker.is_served()) else {
            self.remove(id);
            return self.no_vocabulary(line, ended.while_loading(), Some(stamp));
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
        // A text that kills tokenizers is told from one that was there by chance; a grammar was alone.
        let loss = match line.part {
            Part::Grammar => Loss::Final,
            Part::Whole | Part::Vocabulary => self.judge(id, stamp, ended),
        };
        if loss != Loss::Final {
            self.keep_what_it_said(id);
        }
        self.drive(Event::Gone { worker: id, refusal, loss });
        self.remove(id);
    }
}
