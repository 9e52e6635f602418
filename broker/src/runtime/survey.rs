//! `models` tells of every model, so those that were never looked at are inspected first, one after
//! the other, and whoever asked waits for that a little.

use std::{collections::BTreeSet, os::fd::AsFd as _, rc::Rc, time::Duration};

use core_wire::{
    client::event::ModelState,
    code::Refusal,
    ids::{ModelId, RequestId},
    worker::config::Serve,
};
use tokio::{sync::Notify, task::spawn_local, time::timeout};

use super::{
    Core, Shared,
    inspect::{asked, inspect},
    variant,
};
use crate::{
    ipc::ConnId,
    models::files::{Content, Files, Names},
    scheduler::{LineId, Part},
};

/// How long `models` waits for inspections before it answers with what is known.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Requests that wait for inspections; more are answered at once with what is known.
const WAITING_MAX: usize = 64;

/// The inspections for `models`, and who waits for them.
#[derive(Debug, Default)]
pub(super) struct Survey {
    under_way: bool,
    /// Wakes those who wait.
    done: Rc<Notify>,
    waiting: BTreeSet<(ConnId, RequestId)>,
}

impl Survey {
    /// Whether a request that is not answered yet has this name.
    pub(super) fn is_awaited(&self, conn: ConnId, id: &RequestId) -> bool {
        self.waiting.contains(&(conn, id.clone()))
    }
}

/// Inspects models for `models`, one after the other, and tells those who wait.
async fn survey(core: Shared, models: Vec<ModelId>) {
    for model in models {
        let line = core.borrow().registry.line(model, Part::Whole);
        survey_one(&core, &line).await;
    }
    let mut core = core.borrow_mut();
    core.inspections.survey.under_way = false;
    core.inspections.survey.done.notify_waiters();
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
    core.inspections.survey.waiting.remove(&(conn, id.clone()));
    let models = core.models();
    core.answer(conn, &id, &models);
}

impl Core {
    /// Tells every model, after a look at those that were never looked at.
    pub(super) fn tell_models(&mut self, conn: ConnId, id: RequestId) {
        let new = self.never_inspected();
        let crowded = self.inspections.survey.waiting.len() >= WAITING_MAX;
        let core = self.me.upgrade().filter(|_| !crowded && !new.is_empty() && !self.is_over());
        let Some(core) = core else {
            let models = self.models();
            return self.answer(conn, &id, &models);
        };
        let done = self.inspections.survey.done.clone();
        self.inspections.survey.waiting.insert((conn, id.clone()));
        if !std::mem::replace(&mut self.inspections.survey.under_way, true) {
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
        let content = names.content(self.setup.models.as_fd());
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
