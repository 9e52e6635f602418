//! Spares: a second worker of a model, loaded and locked down, that computes nothing.
//!
//! It is started as any other worker of its line is ([`load::serve`]); the scheduler says what it
//! is for, when it is ready and when the first one is lost. It holds no cores until it serves. What
//! befalls a spare is nobody's trouble: it is replaced, after crashes and failures each time later.

use std::time::Duration;

use core_wire::code::Refusal;
use tokio::{
    task::spawn_local,
    time::{Instant, sleep},
};

use super::{
    Core, Shared,
    arrive::After,
    load,
    worker::{Stage, Worker},
};
use crate::{
    models::{
        files::Content,
        swap::{Attempts, Spoke},
    },
    scheduler::{Event, LineId, Loss, Part, WorkerId},
    workers::{cause::Cause, recover::Ended},
};

/// How long a spare is not begun after its line was given another worker: what that one has to
/// compute again comes first, and loading takes a core.
const BEGIN_AFTER: Duration = Duration::from_millis(200);

/// How often it is looked whether it is needed at once.
const LOOK_EACH: Duration = Duration::from_millis(10);

/// What a whole worker is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Post {
    /// It serves its line, or will.
    Serves,
    /// It stands by.
    Spare,
}

/// Loads a spare and tends it to its end, then asks for another if it was one until then.
async fn serve(core: Shared, line: LineId) {
    let begin = Instant::now() + BEGIN_AFTER;
    while Instant::now() < begin && core.borrow().scheduler.loads_spare(&line) {
        sleep(LOOK_EACH).await;
    }
    load::serve(core.clone(), line.clone()).await;
    let rest = core.borrow().spare_rest(&line);
    sleep(rest).await;
    core.borrow_mut().want_spare(line);
}

impl Core {
    /// Has a spare loaded.
    pub(super) fn load_spare(&mut self, line: LineId) {
        if let Some(core) = self.me.upgrade() {
            spawn_local(serve(core, line));
        }
    }

    /// Asks for a spare where one is configured; the scheduler knows whether there is one. After
    /// one that failed it is too early for a while, whoever asks: its task asks again then.
    pub(super) fn want_spare(&mut self, line: LineId) {
        if self.has_standby(&line) && self.spare_rest(&line).is_zero() {
            self.drive(Event::SpareWanted(line));
        }
    }

    /// A spare for a model whose file is not swapped after all: none is begun beside a swap.
    pub(super) fn spare_after_swap(&self, line: &LineId) -> Option<Event> {
        let line = self.registry.line(line.model.clone(), Part::Whole);
        self.has_standby(&line).then_some(Event::SpareWanted(line))
    }

    /// Gives up spares that are no longer configured, and asks for those that are now.
    pub(super) fn review_spares(&mut self) {
        let lines: Vec<_> = self.workers.values().filter_map(Worker::whole).cloned().collect();
        for line in lines {
            match self.has_standby(&line) {
                true => self.want_spare(line),
                false => self.drive(Event::SpareUnwanted(line)),
            }
        }
    }

    fn has_standby(&self, line: &LineId) -> bool {
        self.registry.source(line).is_some_and(|source| source.settings.standby)
    }

    /// How long to wait before the next spare of a line.
    fn spare_rest(&self, line: &LineId) -> Duration {
        let (entry, now_ms) = (self.registry.entry(&line.model), self.now_ms());
        let rest_ms =
            entry.map_or(0, |entry| entry.spares.rest_ms(now_ms).max(entry.spares.left_ms(now_ms)));
        Duration::from_millis(rest_ms)
    }

    /// Kills the spare of a line that is still being started.
    pub(super) fn kill_loading_spare(&mut self, line: &LineId) {
        let loads = |worker: &&mut Worker| {
            matches!(worker.stage, Stage::Loading { .. }) && worker.whole() == Some(line)
        };
        if let Some(worker) = self.workers.values_mut().find(loads) {
            worker.dismiss();
        }
    }

    /// A spare serves its line from now on.
    pub(super) fn promote(&mut self, line: &LineId, id: WorkerId) {
        let Some(worker) = self.workers.get(&id) else {
            return;
        };
        tracing::info!(pid = worker.pid, model = worker.name(), "the spare serves");
        let facts = worker.facts.clone();
        if let Some(entry) = self.registry.current_mut(line) {
            entry.spares = Attempts::default();
            entry.starts += 1;
        }
        self.takes_over(id, line, facts);
        self.look_at_files(id);
        // Once who waits has been given to it: what it computes for nobody yet comes after that.
        self.after.push_back(After::Publish(line.model.clone()));
    }

    /// A spare could not be loaded.
    pub(super) fn spare_failed(&mut self, line: LineId, refusal: Refusal, content: Content) {
        let model = &line.model;
        tracing::warn!(%model, code = refusal.code.name(), reason = refusal.message, "no spare");
        let now_ms = self.now_ms();
        // One that was given up for somebody else did not fail.
        let dropped = self.scheduler.drops_spare(&line);
        if let Some(entry) = self.registry.current_mut(&line).filter(|_| !dropped) {
            entry.spares.failed(refusal.clone(), content, now_ms);
        }
        self.drive(Event::LoadFailed { line, refusal });
    }

    /// A spare that was ready has ended: it ran nothing, so nothing is lost.
    pub(super) fn spare_ended(
        &mut self,
        id: WorkerId,
        line: &LineId,
        content: &Content,
        ended: &Ended,
    ) {
        let (model, refusal) = (&line.model, ended.while_serving());
        let (cause, now_ms) = (ended.cause(), self.now_ms());
        let served_ms = self.workers.get(&id).map_or(0, Worker::served_ms);
        if cause == Cause::Asked {
            tracing::info!(%model, "spare gone: it {}", ended.death);
        } else {
            tracing::warn!(%model, code = refusal.code.name(), "spare lost: it {}", ended.death);
        }
        if cause.is_its_own()
            && let Some(entry) = self.registry.current_mut(line)
        {
            entry.spares.crashed(Spoke::No, (&refusal, content), (now_ms, served_ms));
        }
        self.remove(id);
        self.drive(Event::Gone { worker: id, refusal, loss: Loss::Innocent });
    }
}
