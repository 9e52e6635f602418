//! What a model is and takes, before it is loaded: a throwaway worker reads what its files say of
//! themselves, locked down like one that serves.
//!
//! Every load is preceded by an inspection, so that a file that is no model fails before any memory
//! is set aside for it. `models` has those inspected that never were. What an inspector said is
//! remembered for the content of the files and for what it was asked.

use std::{
    collections::{BTreeSet, VecDeque},
    rc::Rc,
    time::Duration,
};

use core_wire::{
    client::event::ModelState,
    code::{Code, Refusal},
    ids::{ModelId, RequestId},
    worker::{Inspected, Needs, Purpose, config::Serve},
};
use tokio::{sync::Notify, task::spawn_local, time::timeout};

use super::{Core, Shared, launch::Plan, tend, variant};
use crate::{
    ipc::ConnId,
    memory::pool::Grant,
    models::files::{Content, Files, Names},
    scheduler::{LineId, Part},
    workers::link::Role,
};

/// How long an inspector may take: it reads some megabytes of metadata, from a slow network file
/// system at worst.
const INSPECT_WITHIN: Duration = Duration::from_secs(30);

/// Inspections that are remembered; more models than one host serves. The oldest goes first.
const KNOWN_MAX: usize = 1024;

/// How long `models` waits for inspections before it answers with what is known.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Requests that wait for inspections; more are answered at once with what is known.
const WAITING_MAX: usize = 64;

/// What inspectors said, and who waits for them.
#[derive(Debug, Default)]
pub(super) struct Inspections {
    known: VecDeque<Known>,
    /// Whether models are inspected for `models`, one after the other.
    under_way: bool,
    /// Wakes those who wait for that.
    done: Rc<Notify>,
    waiting: BTreeSet<(ConnId, RequestId)>,
}

#[derive(Debug)]
struct Known {
    content: Content,
    asked: Serve,
    /// Whether the content could not have changed unseen since.
    settled: bool,
    found: Rc<Inspected>,
}

impl Inspections {
    fn find(&self, content: &Content, asked: &Serve) -> Option<&Known> {
        self.known.iter().find(|known| known.content == *content && known.asked == *asked)
    }

    /// What is still true of the content, whoever wrote to it since.
    fn settled(&self, content: &Content, asked: &Serve) -> Option<Rc<Inspected>> {
        let known = self.find(content, asked).filter(|known| known.settled);
        known.map(|known| known.found.clone())
    }

    fn remember(&mut self, new: Known) {
        self.known.retain(|known| known.content != new.content || known.asked != new.asked);
        if self.known.len() >= KNOWN_MAX {
            self.known.pop_front();
        }
        self.known.push_back(new);
    }

    /// What a worker for this content takes, as it was last asked.
    pub(super) fn needs(&self, content: &Content) -> Option<Needs> {
        let known = self.known.iter().rev().find(|known| known.content == *content);
        known.map(|known| known.found.needs)
    }

    /// Whether a request that is not answered yet has this name.
    pub(super) fn is_awaited(&self, conn: ConnId, id: &RequestId) -> bool {
        self.waiting.contains(&(conn, id.clone()))
    }
}

/// What a model in open files is and takes.
///
/// # Errors
/// Those of a worker that does not become ready: the files are none of a model.
pub(super) async fn inspect(
    core: &Shared,
    files: &Files,
    serve: &Serve,
) -> Result<Rc<Inspected>, Refusal> {
    let (content, asked) = (files.content(), asked(serve));
    if let Some(found) = core.borrow().inspections.settled(&content, &asked) {
        return Ok(found);
    }
    let settled = content.is_settled();
    let found = Rc::new(look(core, files, asked.clone()).await?);
    let known = Known { content, asked, settled, found: found.clone() };
    core.borrow_mut().inspections.remember(known);
    Ok(found)
}

/// What of a plan decides the answer.
fn asked(serve: &Serve) -> Serve {
    Serve { step_ms_max: 0, idle_cells_max: 0, ..serve.clone() }
}

async fn look(core: &Shared, files: &Files, serve: Serve) -> Result<Inspected, Refusal> {
    let files = files.try_clone().map_err(|error| {
        Refusal::new(Code::Internal, format!("the model's file cannot be handed on: {error}"))
    })?;
    let plan = Plan {
        role: Role::Inspect { n_ctx: serve.n_ctx, slots: serve.slots },
        purpose: Purpose::Inspect(serve),
        line: None,
        files,
        grant: Grant::of_inspector(),
        threads: 1,
        within: INSPECT_WITHIN,
    };
    let launched = core.borrow_mut().launch(plan)?;
    let id = launched.id;
    let ended = tend::tend(core, launched).await;
    let found = core.borrow_mut().remove(id).and_then(|worker| worker.inspected);
    found.map(|found| *found).ok_or_else(|| ended.while_loading())
}

/// Inspects models for `models`, one after the other, and tells those who wait.
async fn survey(core: Shared, models: Vec<ModelId>) {
    for model in models {
        let line = core.borrow().registry.line(model, Part::Whole);
        survey_one(&core, &line).await;
    }
    let mut core = core.borrow_mut();
    core.inspections.under_way = false;
    core.inspections.done.notify_waiters();
}

async fn survey_one(core: &Shared, line: &LineId) {
    let Ok(files) = core.borrow_mut().open_to_look(line) else {
        return;
    };
    // Nothing is wrong with the model where no worker can run.
    let Ok(variant) = variant::variant(core).await else {
        return;
    };
    let serve = core.borrow().serve_config(line, &variant);
    let serve = Serve { parts: files.parts(), adapters: files.scales().to_vec(), ..serve };
    let found = inspect(core, &files, &serve).await;
    let mut core = core.borrow_mut();
    match found {
        Ok(found) => core.note_inspected(line, &found),
        Err(refusal) => core.looked_in_vain(line, refusal, files.content()),
    }
}

/// Answers `models` once those are inspected that never were, or after a while with what is known.
async fn answer(core: Shared, done: Rc<Notify>, conn: ConnId, id: RequestId) {
    // Too late is not too bad: the rest goes on, and the next request has it.
    let _ = timeout(ANSWER_WITHIN, done.notified()).await;
    let mut core = core.borrow_mut();
    core.inspections.waiting.remove(&(conn, id.clone()));
    let models = core.models();
    core.answer(conn, &id, &models);
}

impl Core {
    /// Tells every model, after a look at those that were never looked at.
    pub(super) fn tell_models(&mut self, conn: ConnId, id: RequestId) {
        let new = self.never_inspected();
        let crowded = self.inspections.waiting.len() >= WAITING_MAX;
        let core = self.me.upgrade().filter(|_| !crowded && !new.is_empty() && !self.is_over());
        let Some(core) = core else {
            let models = self.models();
            return self.answer(conn, &id, &models);
        };
        let done = self.inspections.done.clone();
        self.inspections.waiting.insert((conn, id.clone()));
        if !std::mem::replace(&mut self.inspections.under_way, true) {
            spawn_local(survey(core.clone(), new));
        }
        spawn_local(answer(core, done, conn, id));
    }

    /// Models of which nothing is known as their files and settings are now.
    fn never_inspected(&self) -> Vec<ModelId> {
        let new = self.registry.iter().filter(|(id, entry)| {
            let busy = matches!(entry.state, ModelState::Loading | ModelState::Ready);
            !busy && !self.is_inspected(id)
        });
        new.map(|(id, _)| id.clone()).collect()
    }

    fn is_inspected(&self, model: &ModelId) -> bool {
        let Some(entry) = self.registry.entry(model) else {
            return true;
        };
        // Nothing was ever inspected without a variant.
        let (Ok(names), Some(variant)) = (Names::of(&entry.source), self.variant.get()) else {
            return false;
        };
        let content = names.content(std::os::fd::AsFd::as_fd(&self.setup.models));
        let line = self.registry.line(model.clone(), Part::Whole);
        let serve = self.serve_config(&line, variant);
        let (parts, adapters) = (names.parts(), names.scales().to_vec());
        let asked = asked(&Serve { parts, adapters, ..serve });
        entry.attempts.is_of(&content) || self.inspections.find(&content, &asked).is_some()
    }

    /// Opens a model's files; what keeps them from being opened is told as its state.
    fn open_to_look(&mut self, line: &LineId) -> Result<Files, ()> {
        self.open(line).map_err(|failure| {
            let (refusal, content) = failure.parts();
            self.looked_in_vain(line, refusal, content);
        })
    }

    /// Notes what an inspector said of a model, unless its own worker has said more.
    pub(super) fn note_inspected(&mut self, line: &LineId, found: &Inspected) {
        self.devices.clone_from(&found.devices);
        if let Some(entry) = self.registry.current_mut(line) {
            entry.needs = found.needs;
            if entry.state != ModelState::Ready {
                entry.facts = found.facts.clone();
            }
        }
    }

    /// A model that nobody waits for cannot be served.
    fn looked_in_vain(&mut self, line: &LineId, refusal: Refusal, content: Content) {
        let now_ms = self.now_ms();
        let Some(entry) = self.registry.current_mut(line) else {
            return;
        };
        if matches!(entry.state, ModelState::Unloaded | ModelState::Failed) {
            entry.state = ModelState::Failed;
            if entry.attempts.too_early(&content, now_ms).is_none() {
                entry.attempts.failed(refusal, content, now_ms);
            }
        }
    }
}
