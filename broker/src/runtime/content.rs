//! What a model's files hold: opened, hashed, compared with what is declared, and looked at again
//! while a worker serves them.
//!
//! Whoever writes into a file that is mapped changes what a worker computes with, and whoever cuts
//! it short ends the worker by SIGBUS. Neither can be prevented, so both are seen: at READY, at
//! each audit, and at such a death the broker looks at the very files that were hashed. A new size
//! or a new time of the last write is a change. Where only the time of the last change of anything
//! is new, a name or a mode may have changed as well, so the file is read again. A worker that is
//! not ready yet waits for that. One that serves goes on meanwhile: what it computed until then
//! nobody can take back, and reading tens of gigabytes again takes minutes for each chmod.

use std::{io, os::fd::AsFd as _, time::SystemTime};

use core_policy::report::{How, Row, layer};
use core_wire::code::{Code, Refusal};
use nix::sys::signal::Signal;
use tokio::task::spawn_local;

use super::{Core, Shared, load::Failure, tell::epoch_ms, worker::Worker};
use crate::{
    models::{
        files::{Files, Look, Names},
        hash::{self, Digest, hex},
        loader::{Folder, Stamp},
        registry,
    },
    scheduler::{LineId, WorkerId},
    workers::{recover::Verdict, watch::Death},
};

/// The digest of open files, from memory or by reading all of them on the I/O thread.
pub(super) async fn digest(core: &Shared, files: &Files) -> Result<Digest, Refusal> {
    let mut digests = Vec::with_capacity(files.fds().len());
    for (fd, &stamp) in files.fds().iter().zip(files.stamps()) {
        digests.push(digest_of(core, fd, stamp).await?);
    }
    Ok(hash::combined(&digests))
}

async fn digest_of(
    core: &Shared,
    fd: &std::os::fd::OwnedFd,
    stamp: Stamp,
) -> Result<Digest, Refusal> {
    if let Some(known) = core.borrow().hasher.known(&stamp) {
        return Ok(known);
    }
    let unread = |error: io::Error| {
        Refusal::new(Code::ModelLoad, format!("the model's file cannot be read: {error}"))
    };
    // Before the reading: what is written during it then has another stamp.
    let settled = stamp.is_settled(SystemTime::now());
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
    if settled {
        core.borrow_mut().hasher.remember(stamp, digest);
    }
    Ok(digest)
}

/// Hashes open files, at once where that was done before, and compares them with the declaration.
pub(super) async fn read(core: &Shared, line: &LineId, files: &Files) -> Result<Digest, Failure> {
    let about = |refusal| Failure::of(refusal, files.content());
    let digest = digest(core, files).await.map_err(about)?;
    core.borrow_mut().note_digest(line, digest).map_err(about)?;
    Ok(digest)
}

/// Reads the files of a worker again, which were touched; it ends if they hold anything else.
async fn read_again(core: Shared, id: WorkerId, files: Files) {
    let stamps: Result<Vec<_>, _> = files.fds().iter().map(|fd| Stamp::now(fd.as_fd())).collect();
    let Ok(stamps) = stamps else {
        return;
    };
    let mut files = files;
    files.accept(&stamps);
    let read = digest(&core, &files).await;
    let mut core = core.borrow_mut();
    let Some(worker) = core.workers.get_mut(&id) else {
        return;
    };
    worker.rereads = false;
    match read {
        Ok(digest) if Some(digest) == worker.digest => worker.files.accept(&stamps),
        Ok(_) => worker.condemn(Verdict::Changed { file: files.first_name() }),
        // Something else happened to them meanwhile; the next look decides.
        Err(refusal) => tracing::warn!(pid = worker.pid, reason = refusal.message, "not read"),
    }
    if let Some(ready) = worker.held.take() {
        core.ready(id, *ready);
    }
}

impl Core {
    /// Opens a model's files, unless they failed a moment ago.
    pub(super) fn open(&self, line: &LineId) -> Result<Files, Failure> {
        let source = self.registry.source(line);
        let unknown = || Failure::of_nothing(registry::unknown(line.model.as_str()));
        let source = source.ok_or_else(unknown)?;
        let models = self.setup.models.as_fd();
        let names = Names::of(source).map_err(Failure::of_nothing)?;
        let content = names.content(models);
        if let Some(refusal) = self.registry.too_early(line, &content, self.now_ms()) {
            return Err(Failure::of(refusal, content));
        }
        Files::open(Folder::models(models), &names).map_err(|refusal| Failure::of(refusal, content))
    }

    /// Notes the content that a model's worker gets, and compares it with the declaration.
    pub(super) fn note_digest(&mut self, line: &LineId, digest: Digest) -> Result<(), Refusal> {
        if let Some(entry) = self.registry.current_mut(line) {
            entry.sha256 = Some(digest);
        }
        self.check_digest(line, digest)
    }

    /// Whether core.toml says what a model's files hold.
    pub(super) fn is_declared(&self, line: &LineId) -> bool {
        self.registry.source(line).is_some_and(|source| source.settings.sha256.is_some())
    }

    /// Compares what a model's files hold with what is declared. What is told of the model stays:
    /// its own worker may serve what had these names before.
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

    /// Looks whether a worker's files are what was hashed; one whose files are not is killed.
    pub(super) fn look_at_files(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        let how = How::OutsideAtReady;
        let row = match worker.files.look() {
            Look::Same => Row::yes(layer::MODEL_FILES, how, "as they were hashed"),
            Look::Touched => {
                if let (false, Ok(files)) = (worker.rereads, worker.files.try_clone()) {
                    worker.rereads = true;
                    let core = self.me.upgrade();
                    core.map(|core| spawn_local(read_again(core, id, files)));
                }
                Row::yes(layer::MODEL_FILES, how, "touched; they are read again")
            }
            Look::Changed { file } => {
                worker.condemn(Verdict::Changed { file });
                Row::no(layer::MODEL_FILES, how, "changed; the worker is ended")
            }
        };
        worker.seen.merge([row], epoch_ms());
    }
}

impl Worker {
    /// Why it ended, where its files are the reason: it died of a page that is not there any more,
    /// or could make nothing of what it read.
    pub(super) fn lost_its_files(
        &self,
        verdict: Option<&Verdict>,
        death: Death,
    ) -> Option<Verdict> {
        let of_memory =
            [Signal::SIGBUS, Signal::SIGSEGV].map(|signal| Death::Signal(signal as i32));
        let by_itself = verdict.is_none() && of_memory.contains(&death);
        let unreadable = matches!(verdict, Some(Verdict::Failed(_)));
        if !by_itself && !unreadable {
            return None;
        }
        match self.files.look() {
            Look::Changed { file } => Some(Verdict::Changed { file }),
            Look::Same | Look::Touched => None,
        }
    }
}
