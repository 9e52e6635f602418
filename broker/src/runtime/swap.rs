//! Swaps, and models that are there though nobody asks, as the run loop sees them.

use std::{os::fd::AsFd as _, time::Duration};

use core_wire::code::Refusal;
use tokio::{task::spawn_local, time::sleep};

use super::{Core, check::Checked, live::Ask};
use crate::{
    config::Keep,
    scheduler::{self, Event, LineId, Part, Task, Tenure},
};

/// How long a pinned model whose worker went is not loaded again, at the least: a worker that dies
/// on what it is given must not be started in a loop.
const RETURN_MS: u64 = 500;

impl Core {
    /// A swap is checked as far as names go; what the file holds its worker tells.
    pub(super) fn check_swap(&mut self, name: &str, file: &str) -> Result<Checked, Refusal> {
        let model = self.model(name)?;
        if self.registry.entry(&model).is_some_and(|entry| entry.is_swapping()) {
            return Err(scheduler::swapping(&model));
        }
        let from = self.registry.line(model.clone(), Part::Whole);
        let to = self.registry.comes(&model, file)?;
        Ok(Checked::of(Task::Swap { from, to }, Ask::Place(model)))
    }

    /// A model is served from another file from now on.
    pub(super) fn swapped(&mut self, from: &LineId, to: &LineId) {
        let worker = self.workers.values().find(|worker| worker.line.as_ref() == Some(to));
        let known = worker.map(|worker| (worker.facts.clone(), worker.digest)).unwrap_or_default();
        let content = worker.map(|worker| worker.files.content()).unwrap_or_default();
        let needs = self.inspections.needs(&content);
        self.registry.swapped(self.setup.models.as_fd(), to, known);
        if let (Some(entry), Some(needs)) = (self.registry.current_mut(to), needs) {
            entry.needs = needs;
        }
        let file = self.registry.source(to).map(|source| source.file.as_str());
        tracing::info!(model = %to.model, file, "swapped");
        self.retired(from);
    }

    /// Forgets the files of a model that nothing is left of.
    pub(super) fn retired(&mut self, line: &LineId) {
        let Some(entry) = self.registry.entry_mut(&line.model) else {
            return;
        };
        let model = &line.model;
        entry.before.retain(|&edition, _| {
            [Part::Whole, Part::Vocabulary, Part::Grammar].into_iter().any(|part| {
                self.scheduler.has_line(&LineId { model: model.clone(), part, edition })
            })
        });
    }

    /// A request that waited for its grammar while its model was swapped: where nothing is left of
    /// the old file, it asks the new one, which refuses what was compiled for another.
    pub(super) fn follow_swap(&self, task: &mut Task) {
        let Some(line) = task.line() else {
            return;
        };
        let current = self.registry.line(line.model.clone(), line.part);
        if *line != current && !self.scheduler.has_line(line) {
            task.move_to(&current);
        }
    }

    /// How long the worker of a line stays.
    pub(super) fn tenure(&self, line: &LineId, vocabulary: u64) -> Tenure {
        let settings = self.registry.source(line).map(|source| &source.settings);
        let own_s = settings.and_then(|settings| settings.keep_alive_s);
        let idle_s = own_s.or(self.setup.config.defaults.keep_alive_s);
        Tenure {
            keep: settings.map(|settings| settings.keep).unwrap_or_default(),
            idle_ms: idle_s.map(|idle_s| u64::from(idle_s) * 1000),
            vocabulary,
        }
    }

    /// Loads what core.toml wants to be there from the start.
    pub(super) fn preload(&mut self) {
        let preloaded = self.registry.iter().filter(|(_, entry)| entry.source.settings.preload);
        let models: Vec<_> = preloaded.map(|(model, _)| model.clone()).collect();
        for model in models {
            let line = self.registry.line(model, Part::Whole);
            self.drive(Event::Wanted(line));
        }
    }

    /// The worker of a line went without being asked, or did not come: a pinned model gets another
    /// after a while, the longer the more often that failed.
    pub(super) fn bring_back(&mut self, line: LineId) {
        let now_ms = self.now_ms();
        let Some(entry) = self.registry.current_mut(&line) else {
            return;
        };
        if entry.source.settings.keep != Keep::Pinned || entry.returns {
            return;
        }
        entry.returns = true;
        let wait_ms = entry.attempts.left_ms(now_ms).max(RETURN_MS);
        let Some(core) = self.me.upgrade() else {
            return;
        };
        spawn_local(async move {
            sleep(Duration::from_millis(wait_ms)).await;
            core.borrow_mut().returns(&line);
        });
    }

    fn returns(&mut self, line: &LineId) {
        let Some(entry) = self.registry.entry_mut(&line.model) else {
            return;
        };
        entry.returns = false;
        if entry.source.settings.keep == Keep::Pinned {
            let line = self.registry.line(line.model.clone(), Part::Whole);
            self.drive(Event::Wanted(line));
        }
    }
}
