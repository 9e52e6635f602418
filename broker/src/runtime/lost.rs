//! A serving worker has ended: what it said is taken in, what it ran goes on elsewhere.
//!
//! The journal is here already: a request keeps its prompt and parameters as long as it is open,
//! and the ledger of the worker has the tokens that its client was told, to the last record that
//! was whole when the process ended. So a loss is a park that nobody asked for.

use core_wire::client::Event as ToClient;

use super::Core;
use crate::{
    ipc::OutboxError,
    models::{files::Content, swap::Spoke},
    scheduler::{Event, Loss, Ticket, WorkerId},
    workers::{cause::Cause, recover::Ended},
};

impl Core {
    /// Takes the tokens of a lost worker's jobs back to their requests.
    pub(super) fn keep_what_it_said(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        for (job, lost) in worker.ledger.take_all() {
            let (listener, emitted) = (lost.listener.as_ref(), lost.emitted.count());
            if let Some(live) = listener.and_then(|listener| self.live.get_mut(&listener.ticket)) {
                live.lose(lost.emitted);
            }
            // Its request may have got a token since it was noted last, which clears its name. What
            // was said and not passed on does not: it was part of a lie.
            self.drive(Event::Grown { job, emitted });
        }
    }

    /// What the end of a worker means for what it ran, and for the next worker of its model.
    pub(super) fn judge(&mut self, id: WorkerId, content: &Content, ended: &Ended) -> Loss {
        match ended.cause() {
            Cause::Changed => Loss::Final,
            cause if cause.is_its_own() => {
                // One that died of a request which was alone with it because it had killed others
                // tells nothing of the model: there, innocents wait.
                if !self.scheduler.runs_suspect(id) {
                    self.note_crash(id, content, ended);
                }
                Loss::Suspect
            }
            _ => Loss::Innocent,
        }
    }

    /// Notes that a model's worker crashed, for how soon the next one is loaded.
    fn note_crash(&mut self, id: WorkerId, content: &Content, ended: &Ended) {
        let now_ms = self.now_ms();
        let Some(worker) = self.workers.get(&id) else {
            return;
        };
        let spoke = if worker.ledger.spoke() { Spoke::Yes } else { Spoke::No };
        if let Some(entry) = worker.whole().and_then(|line| self.registry.current_mut(line)) {
            let times = (now_ms, worker.served_ms());
            entry.attempts.crashed(spoke, (&ended.while_serving(), content), times);
        }
    }

    /// Tells the client of a request that it goes on after its worker was lost.
    pub(super) fn resumed(&mut self, ticket: Ticket) {
        let Some(live) = self.live.get_mut(&ticket).filter(|live| live.lost > 0) else {
            return;
        };
        live.resumes();
        self.counts.resumed += 1;
        let tokens = live.usage.completion_tokens;
        // To one that is behind it would come too early.
        if live.journal.as_ref().is_some_and(|journal| !journal.is_told()) {
            return;
        }
        // A client that has no room for it misses nothing: its tokens go on.
        match live.outbox.send(&live.id, &ToClient::Resumed { tokens }) {
            Ok(()) | Err(OutboxError::Full | OutboxError::Gone) => {}
        }
    }
}
