//! What a request to save or restore a context must be, and which file it means.

use std::rc::Rc;

use core_wire::{
    client::Prompt,
    code::{Code, Refusal},
    codec,
    ids::ContextName,
    worker::JobKind,
};

use super::{Scope, Session, carry::lost};
use crate::{
    memory::cache::{Belongs, CacheError, ENGINE, Folder, Place},
    runtime::{
        Core,
        check::Checked,
        live::{Ask, Work},
    },
    scheduler::{Part, Task, Ticket, WorkerId},
    workers::{feed::Held, link::Want},
};

/// When to try again while another context passes: some hundred megabytes take a second.
const RETRY_MS: u32 = 1_000;

/// Bytes of a cell in the state of a context beside its keys and values: its position, its
/// sequences, and its token twice.
const CELL_BYTES: u64 = 32;

/// Bytes of such a state beside its cells: what the engine says of each layer.
const STATE_EXTRA: u64 = 64 << 10;

impl Core {
    /// A context is saved from the worker that computed it, so that must serve.
    pub(in crate::runtime) fn check_save(
        &mut self,
        session: Session,
        model: &str,
        name: String,
    ) -> Result<Checked, Refusal> {
        let name = context_name(name)?;
        let model = self.model(model)?;
        if self.registry.entry(&model).is_none_or(|entry| entry.served().is_none()) {
            let message =
                format!("nothing to save: {model} is not loaded, so no session has a context");
            return Err(Refusal::new(Code::BadParameter, message));
        }
        // What it may take is charged once a worker is there for it: until then it holds nothing
        // that others could wait for.
        let (want, nothing) = (Want::State { bytes_max: 0 }, Prompt::Text(String::new()));
        let mut work = self.work(session, JobKind::Save, want, &nothing)?;
        work.scope = Scope::Saved(name);
        let task = Task::Brief(self.registry.line(model, Part::Whole));
        Ok(Checked::of(task, Ask::Job(work)))
    }

    /// A worker is there for a context: charges what its answer may take, which is given back when
    /// the file is written.
    ///
    /// # Errors
    /// `QUEUE_FULL` while others hold too much.
    pub(in crate::runtime) fn begin_save(
        &mut self,
        id: WorkerId,
        ticket: Ticket,
    ) -> Result<(), Refusal> {
        let worker = self.workers.get(&id).ok_or_else(lost)?;
        let cells = u64::from(worker.facts.n_ctx).saturating_mul(CELL_BYTES);
        let most = worker.grant.state_bytes().saturating_add(cells).saturating_add(STATE_EXTRA);
        let bytes_max = most.min(self.setup.config.cache.context_bytes_max);
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let charge = self.contexts.budget.charge(bytes_max).map_err(|_| {
            let message = "other contexts are being saved or restored: ask again";
            Refusal::new(Code::QueueFull, message).after(RETRY_MS)
        })?;
        let nothing = codec::encode(&Prompt::Text(String::new()))
            .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        let live = self.live.get_mut(&ticket).ok_or_else(lost)?;
        if let Ask::Job(work) = &mut live.ask {
            work.want = Want::State { bytes_max };
            work.prompt = Rc::new(Held::new(nothing, charge));
        }
        Ok(())
    }

    /// What is not there is refused before a model is loaded for it.
    pub(in crate::runtime) fn check_restore(
        &mut self,
        session: Session,
        model: &str,
        name: String,
    ) -> Result<Checked, Refusal> {
        let name = context_name(name)?;
        let model = self.model(model)?;
        let place = Place { uid: session.peer_uid, model: model.clone(), name: name.clone() };
        let folder = self.contexts.folder.as_ref().ok_or_else(no_folder)?;
        folder.size(&place).ok_or_else(|| unknown(&place))?;
        let nothing = Prompt::Text(String::new());
        // How long it is will be known once it is read.
        let want = Want::Count { bytes: 0 };
        let mut work = self.work(session, JobKind::Restore, want, &nothing)?;
        work.scope = Scope::Saved(name);
        let task = Task::Brief(self.registry.line(model, Part::Whole));
        Ok(Checked::of(task, Ask::Job(work)))
    }

    pub(super) fn folder(&self) -> Result<Folder, Refusal> {
        let folder = self.contexts.folder.as_ref().ok_or_else(no_folder)?;
        folder.try_clone().map_err(|error| CacheError::from(error).into())
    }

    /// The file of a request, and what its worker serves: the configuration may be another by now
    /// than the one that it was started with.
    pub(super) fn of_job(&self, id: WorkerId, ticket: Ticket) -> Option<(Place, Belongs)> {
        let (live, worker) = (self.live.get(&ticket)?, self.workers.get(&id)?);
        let line = worker.line.as_ref()?;
        let Ask::Job(Work { scope: Scope::Saved(name), .. }) = &live.ask else {
            return None;
        };
        let (uid, model, name) = (live.session.peer_uid, line.model.clone(), name.clone());
        let variant = self.variant.get().and_then(|variant| variant.file_name());
        let variant = variant.unwrap_or_default().to_string_lossy();
        let facts = &worker.facts;
        let belongs = Belongs {
            model_sha256: worker.digest?,
            build: format!("core-runtime {}, {ENGINE}, {variant}", env!("CARGO_PKG_VERSION")),
            kv: worker.kv,
            shape: [facts.n_layer, facts.n_embd, facts.n_vocab],
            adapters: worker.files.adapters(),
        };
        Some((Place { uid, model, name }, belongs))
    }
}

fn context_name(name: String) -> Result<ContextName, Refusal> {
    ContextName::try_from(name).map_err(|bad| Refusal::new(Code::BadParameter, bad.to_string()))
}

pub(super) fn unknown(place: &Place) -> Refusal {
    CacheError::Unknown { name: place.name.as_str().to_owned() }.into()
}

fn no_folder() -> Refusal {
    let message = "cache/ could not be opened when the broker started: start it anew";
    Refusal::new(Code::Internal, message)
}
