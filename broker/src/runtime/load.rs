//! From a model's file to a worker that serves it, and on to that worker's end.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    path::PathBuf,
    time::Duration,
};

use core_wire::{
    client::event::ModelState,
    code::{Code, Refusal},
    ids::ModelId,
    worker::{Purpose, config::Serve},
};

use tokio::{sync::oneshot, time::sleep};

use super::{Core, Shared, launch::Plan, spare::Post, tend, worker::Worker};
use crate::{
    models::{
        hash::{Digest, hex},
        loader::{self, Folder, Stamp},
        registry,
    },
    scheduler::{Event, LineId, WorkerId},
    workers::{cause::Cause, link::Role, recover::Ended},
};

/// How long a worker may take from its fork to READY, for a file of no size.
const LOAD_WITHIN: Duration = Duration::from_secs(120);

/// Bytes of a file that are read in a second at the least: a slow network file system. The time to
/// load grows by this.
const READ_BYTES_PER_S: u64 = 50 << 20;

/// How long the throwaway worker may take to compare CPU variants: 14 of them load in 9 ms.
const CHOOSE_WITHIN: Duration = Duration::from_secs(30);

/// A model that may be given to a worker.
struct Prepared {
    fd: OwnedFd,
    stamp: Stamp,
    digest: Digest,
    serve: Serve,
}

/// Loads a model and tends its worker to the end; the scheduler hears of both.
pub(super) async fn serve(core: Shared, line: LineId) {
    if !core.borrow().scheduler.loads_spare(&line) {
        core.borrow_mut().set_state(&line, ModelState::Loading);
    }
    rest(&core, &line).await;
    let prepared = match prepare(&core, &line).await {
        Ok(prepared) => prepared,
        Err((refusal, stamp)) => return core.borrow_mut().load_failed(line, refusal, stamp),
    };
    let Prepared { fd, stamp, digest, serve } = prepared;
    let plan = Plan {
        role: Role::Serve { n_ctx: serve.n_ctx, slots: serve.slots },
        threads: serve.threads,
        purpose: Purpose::Serve(serve),
        line: Some(line.clone()),
        files: vec![fd],
        within: load_within(stamp),
    };
    let run = run(&core, plan, digest).await;
    let mut core = core.borrow_mut();
    match run {
        Ok((id, ended)) => core.serving_ended(id, line, stamp, &ended),
        Err(refusal) => core.load_failed(line, refusal, Some(stamp)),
    }
}

/// Waits before a model is loaded again whose workers crashed one after the other.
async fn rest(core: &Shared, line: &LineId) {
    let entry_ms = |core: &Core| Some(core.registry.entry(&line.model)?.attempts.rest_ms());
    let rest_ms = entry_ms(&core.borrow()).unwrap_or(0);
    sleep(Duration::from_millis(rest_ms)).await;
}

/// Waits until the memory for a line's worker is set aside.
///
/// # Errors
/// `MEMORY`, with the numbers.
async fn memory(core: &Shared, line: &LineId, bytes: u64) -> Result<(), Refusal> {
    let (sender, answer) = oneshot::channel();
    {
        let mut core = core.borrow_mut();
        core.unsized_lines.insert(line.clone(), sender);
        core.drive(Event::Sized { line: line.clone(), bytes });
    }
    let gone = || Refusal::new(Code::Internal, "nobody answered for the memory of a worker");
    answer.await.unwrap_or_else(|_| Err(gone()))
}

/// How long a worker may take to load a file of this size.
pub(super) fn load_within(stamp: Stamp) -> Duration {
    LOAD_WITHIN + Duration::from_secs(stamp.size_bytes / READ_BYTES_PER_S)
}

/// Starts a worker on a file with this digest, and tends it to its end.
pub(super) async fn run(
    core: &Shared,
    plan: Plan,
    digest: Digest,
) -> Result<(WorkerId, Ended), Refusal> {
    let launched = core.borrow_mut().launch(plan)?;
    let id = launched.id;
    if let Some(worker) = core.borrow_mut().workers.get_mut(&id) {
        worker.digest = Some(digest);
    }
    Ok((id, tend::tend(core, launched).await))
}

/// A refusal, and the content of the file that it is about, where that is known.
pub(super) type Failure = (Refusal, Option<Stamp>);

async fn prepare(core: &Shared, line: &LineId) -> Result<Prepared, Failure> {
    let (fd, stamp) = core.borrow_mut().open(line)?;
    let about = |refusal| (refusal, Some(stamp));
    let digest = digest(core, &fd, stamp).await.map_err(about)?;
    core.borrow_mut().note_digest(line, digest).map_err(about)?;
    let variant = variant(core).await.map_err(about)?;
    memory(core, line, stamp.size_bytes).await.map_err(about)?;
    let serve = core.borrow().serve_config(line, &variant);
    Ok(Prepared { fd, stamp, digest, serve })
}

/// The digest of the open file, from memory or by reading all of it on the I/O thread.
pub(super) async fn digest(core: &Shared, fd: &OwnedFd, stamp: Stamp) -> Result<Digest, Refusal> {
    if let Some(known) = core.borrow().hasher.known(&stamp) {
        return Ok(known);
    }
    let unread = |error: io::Error| {
        Refusal::new(Code::ModelLoad, format!("the model's file cannot be read: {error}"))
    };
    let copy = fd.try_clone().map_err(unread)?;
    let answer = core.borrow().hasher.hash(copy);
    let digest = match answer.await {
        Ok(read) => read.map_err(unread)?,
        Err(_) => {
            return Err(Refusal::new(Code::Internal, "the thread that reads files is gone"));
        }
    };
    if Stamp::now(fd.as_fd()) != Ok(stamp) {
        let message = "the model's file changed while it was read: wait until it is whole";
        return Err(Refusal::new(Code::ModelChanged, message).after(1_000));
    }
    core.borrow_mut().hasher.remember(stamp, digest);
    Ok(digest)
}

/// The best CPU variant, compared once in a broker's life; who comes meanwhile waits for it.
pub(super) async fn variant(core: &Shared) -> Result<PathBuf, Refusal> {
    let cell = core.borrow().variant.clone();
    cell.get_or_try_init(|| choose(core)).await.cloned()
}

async fn choose(core: &Shared) -> Result<PathBuf, Refusal> {
    let variants = core.borrow().setup.worker.variants.clone();
    let paths = variants.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let plan = Plan {
        purpose: Purpose::Choose { variants: paths },
        role: Role::Choose { variants: variants.len() },
        line: None,
        files: Vec::new(),
        threads: 1,
        within: CHOOSE_WITHIN,
    };
    let launched = core.borrow_mut().launch(plan)?;
    let id = launched.id;
    let ended = tend::tend(core, launched).await;
    let chosen = core.borrow_mut().remove(id);
    let Some(chosen) = chosen.and_then(|index| variants.get(index)) else {
        return Err(ended.while_loading());
    };
    let name = chosen.file_name().unwrap_or_default().to_string_lossy();
    tracing::info!(variant = &*name, "CPU variant chosen");
    Ok(chosen.clone())
}

/// Refuses a model of several files.
pub(super) fn check_parts(model: &ModelId, parts: Option<u32>) -> Result<(), Refusal> {
    match parts {
        Some(parts @ 2..) => {
            let message =
                format!("{model} is split into {parts} files; only models of one file are served");
            Err(Refusal::new(Code::ModelLoad, message))
        }
        Some(_) | None => Ok(()),
    }
}

impl Core {
    /// Answers whoever waits for the memory of a line's worker.
    pub(super) fn grant(&mut self, line: &LineId, answer: Result<(), Refusal>) {
        if let Some(waiter) = self.unsized_lines.remove(line) {
            // One that is gone was ended together with the broker.
            let _ = waiter.send(answer);
        }
    }

    /// Notes what a model is doing; one that was swapped for another file no longer counts.
    fn set_state(&mut self, line: &LineId, state: ModelState) {
        if let Some(entry) = self.registry.current_mut(line) {
            entry.state = state;
        }
    }

    /// Opens a model's file, unless it failed a moment ago.
    fn open(&mut self, line: &LineId) -> Result<(OwnedFd, Stamp), Failure> {
        let (now_ms, model) = (self.now_ms(), &line.model);
        let (Some(entry), Some(source)) = (self.registry.entry(model), self.registry.source(line))
        else {
            return Err((registry::unknown(model.as_str()), None));
        };
        let models = self.setup.models.as_fd();
        let stamp = Stamp::of_name(models, &source.file);
        if let Some(refusal) = entry.attempts.too_early(stamp, now_ms) {
            return Err((refusal, stamp));
        }
        check_parts(model, source.parts).map_err(|refusal| (refusal, stamp))?;
        let opened = loader::open(Folder::models(models), &source.file);
        opened.map(|opened| (opened.fd, opened.stamp)).map_err(|refusal| (refusal, stamp))
    }

    /// Notes the content that a model's worker gets, and compares it with the declaration.
    fn note_digest(&mut self, line: &LineId, digest: Digest) -> Result<(), Refusal> {
        if let Some(entry) = self.registry.current_mut(line) {
            entry.sha256 = Some(digest);
        }
        self.check_digest(line, digest)
    }

    /// Compares what a file holds with what is declared. What is told of the model stays: its own
    /// worker may serve the file that had this name before.
    pub(super) fn check_digest(&self, line: &LineId, digest: Digest) -> Result<(), Refusal> {
        let (model, source) = (&line.model, self.registry.source(line));
        match source.and_then(|source| source.settings.sha256) {
            Some(declared) if declared != digest => {
                let message = format!(
                    "the file of {model} has SHA-256 {}, core.toml declares {}: \
                     replace the file or correct the declaration",
                    hex(&digest),
                    hex(&declared)
                );
                Err(Refusal::new(Code::ModelHash, message))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn load_failed(&mut self, line: LineId, refusal: Refusal, stamp: Option<Stamp>) {
        if self.scheduler.began_as_spare(&line) {
            return self.spare_failed(line, refusal, stamp);
        }
        let model = &line.model;
        tracing::warn!(%model, code = refusal.code.name(), reason = refusal.message, "not loaded");
        let now_ms = self.now_ms();
        if let Some(entry) = self.registry.current_mut(&line) {
            entry.state = ModelState::Failed;
            if entry.attempts.too_early(stamp, now_ms).is_none() {
                entry.attempts.failed(refusal.clone(), stamp, now_ms);
            }
        }
        self.drive(Event::LoadFailed { line, refusal });
    }

    fn serving_ended(&mut self, id: WorkerId, line: LineId, stamp: Stamp, ended: &Ended) {
        let served = self.workers.get(&id).is_some_and(Worker::is_served);
        if !served {
            self.remove(id);
            return self.load_failed(line, ended.while_loading(), Some(stamp));
        }
        if self.workers.get(&id).is_some_and(|worker| worker.post == Post::Spare) {
            return self.spare_ended(id, &line, stamp, ended);
        }
        let verdict = ended.verdict.as_ref().map(ToString::to_string);
        let (model, refusal) = (&line.model, ended.while_serving());
        match ended.cause() {
            Cause::Asked => tracing::info!(%model, "worker gone: it {}", ended.death),
            _ => {
                let code = refusal.code.name();
                tracing::warn!(%model, code, verdict, "worker lost: it {}", ended.death);
            }
        }
        self.set_state(&line, ModelState::Unloaded);
        self.keep_what_it_said(id);
        let loss = self.judge(id, stamp, ended);
        self.remove(id);
        self.drive(Event::Gone { worker: id, refusal, loss });
    }
}
