//! What workers say of themselves becomes a look from outside, a GO, a place in the scheduler.

use core_policy::{report::Row, verify};
use core_wire::{
    client::{Event as ToClient, event::ModelState},
    worker::{Claim, Locked, ModelFacts, Ready, ToWorker},
};
use tokio::time::Instant;

use super::{
    Core,
    spare::Post,
    tell::epoch_ms,
    worker::{Stage, Worker},
};
use crate::{
    memory::watch::Resident,
    report::{Said, claimed},
    scheduler::{Event, LineId, Part, WorkerId},
    workers::{link::Heard, recover::Verdict},
};

impl Core {
    /// Takes one record of a worker. After a verdict nothing of it is believed.
    pub(super) fn hear(&mut self, id: WorkerId, kind: u8, payload: &[u8]) {
        let Some(worker) = self.workers.get_mut(&id).filter(|worker| worker.verdict.is_none())
        else {
            return;
        };
        match worker.ledger.hear(kind, payload) {
            Ok(heard) => {
                worker.gets_on(&heard);
                self.act(id, heard);
            }
            Err(breach) => worker.condemn(Verdict::Breach(breach)),
        }
    }

    fn act(&mut self, id: WorkerId, heard: Heard) {
        match heard {
            Heard::Step(step) => self.stepped(id, step),
            Heard::Started(started) => self.job_started(id, started),
            Heard::Answered(job) => self.answered(id, job),
            Heard::Refused(refused) => self.job_refused(id, refused),
            Heard::More => {}
            Heard::Paused => self.paused(id),
            Heard::Locked(locked) => self.locked(id, &locked),
            Heard::Progress(fraction) => self.progressed(id, fraction),
            Heard::Ready(ready) => self.ready(id, ready),
            Heard::Inspected(inspected) => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.inspected = Some(inspected);
                    worker.dismiss();
                }
            }
            Heard::Variant(index) => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.chosen = Some(index);
                    worker.dismiss();
                }
            }
            Heard::Failed(failed) => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.condemn(Verdict::Failed(failed));
                }
            }
        }
    }

    /// A worker that can be looked at: one whose process id is still its own.
    fn living(&mut self, id: WorkerId) -> Option<&mut Worker> {
        let worker = self.workers.get_mut(&id);
        worker.filter(|worker| worker.stage != Stage::Gone)
    }

    /// The look from outside while the worker can still be looked at; GO, or its end.
    fn locked(&mut self, id: WorkerId, locked: &Locked) {
        let Some(worker) = self.living(id) else {
            return;
        };
        worker.see(Said::BeforeModel, &locked.claims, verify::at_locked);
        match worker.seen.broken() {
            None => worker.say(&ToWorker::Go),
            Some(row) => worker.lacks(row.to_owned()),
        }
    }

    /// Tells everybody who waits for a worker how far it has come, once for each percent.
    fn progressed(&mut self, id: WorkerId, fraction: f32) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        let Some(line) = worker.line.clone() else {
            return;
        };
        if self.scheduler.loads_spare(&line) {
            // Nobody waits for that.
            return;
        }
        let percent = percent(fraction);
        if worker.told_percent.replace(percent) == Some(percent) {
            return;
        }
        for ticket in self.scheduler.awaiting(&line) {
            let live = self.live.get(&ticket).filter(|live| live.form.choice() == 0);
            if let Some(live) = live {
                // A client that misses a progress bar misses nothing.
                let _ = live.outbox.send(&live.id, &ToClient::Progress { fraction });
            }
        }
    }

    /// The second look, at the worker and its files; nothing if either is not as it must be.
    fn looked_at(&mut self, id: WorkerId, claims: &[Claim]) -> Option<&mut Worker> {
        let worker = self.living(id)?;
        worker.see(Said::AfterModel, claims, verify::at_ready);
        if let Some(row) = worker.seen.missing() {
            worker.lacks(row.to_owned());
            return None;
        }
        self.look_at_files(id);
        self.living(id).filter(|worker| worker.verdict.is_none())
    }

    /// Only after a second look does the model count as ready.
    pub(super) fn ready(&mut self, id: WorkerId, ready: Ready) {
        let Some(worker) = self.looked_at(id, &ready.claims) else {
            return;
        };
        if worker.rereads {
            // Its files were touched since they were hashed, so what it loaded may be anything. It
            // has what is left of the time to load until they were read again.
            worker.held = Some(Box::new(ready));
            return;
        }
        let Some(line) = worker.line.clone() else {
            return;
        };
        worker.note_ready(&ready);
        match line.part {
            Part::Whole => self.model_ready(id, line, ready.facts),
            Part::Vocabulary | Part::Grammar => self.vocabulary_ready(id, line),
        }
    }

    /// The worker of a model serves it from now on, or stands by.
    fn model_ready(&mut self, id: WorkerId, line: LineId, facts: ModelFacts) {
        let tenure = self.tenure(&line, facts.vocabulary);
        let slots = usize::try_from(facts.slots).unwrap_or(usize::MAX);
        let cells = facts.n_ctx;
        if let Some(gpu) = self.workers.get(&id).and_then(|worker| worker.gpu.as_ref()) {
            gpu.settle();
        }
        let ready = Event::Ready { line: line.clone(), worker: id, slots, cells, tenure };
        if self.scheduler.loads_spare(&line) {
            return self.drive(ready);
        }
        self.takes_over(id, &line, facts);
        self.publish_again(&line.model);
        self.drive(ready);
        self.want_spare(line);
    }

    /// A worker serves its model from now on, with cores of its own when it has work.
    pub(super) fn takes_over(&mut self, id: WorkerId, line: &LineId, facts: ModelFacts) {
        if let Some(entry) = self.registry.current_mut(line) {
            entry.state = ModelState::Ready;
            entry.facts = facts;
            entry.attempts.succeeded();
        }
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.post = Post::Serves;
            self.leases.enter(id, worker.threads);
        }
    }

    /// Notes a sign of life, and sends what may have found space by now.
    pub(super) fn after_drain(&mut self, id: WorkerId, heartbeat: u64) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        worker.lives(heartbeat, Instant::now());
        // Here as well: whoever never stops talking would never be asked for the time.
        worker.check_time(heartbeat);
        if worker.feed.is_waiting() {
            worker.sent(Ok(()));
        }
    }
}

impl Worker {
    /// Ends a worker that lacks a protection. One that somebody killed meanwhile lacks them all:
    /// why it ended its task hears from the kernel, and until then it is given nothing.
    fn lacks(&mut self, row: String) {
        if !Resident::has_ended(self.pid) {
            self.condemn(Verdict::Unprotected { row });
        }
    }

    /// It serves from now on.
    fn note_ready(&mut self, ready: &Ready) {
        self.stage = Stage::Serving;
        self.slots = ready.facts.slots;
        self.facts = ready.facts.clone();
        self.used_at = Instant::now();
        self.progress.ready_at = self.used_at;
        tracing::info!(
            pid = self.pid,
            model = self.name(),
            slots = ready.facts.slots,
            threads = ready.threads,
            locked_us = ready.locked_us,
            load_us = ready.load_us,
            "worker ready"
        );
    }

    /// Merges what the worker says with what is seen of it from outside, now.
    fn see(&mut self, said: Said, claims: &[Claim], look: fn(i32, &verify::Expect) -> Vec<Row>) {
        let now_ms = epoch_ms();
        self.seen.merge(claims.iter().filter_map(|&claim| claimed(claim, said)), now_ms);
        let pid = i32::try_from(self.pid).unwrap_or(-1);
        self.seen.merge(look(pid, &self.expect), now_ms);
    }
}

/// Whole percents; 0 for what is no number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a hundred fits; the cast makes NaN a 0"
)]
fn percent(fraction: f32) -> u8 {
    (fraction.clamp(0.0, 1.0) * 100.0) as u8
}
