//! What workers say of their jobs becomes frames for clients and events of the scheduler.

#[cfg(test)]
mod tests;

use core_wire::{
    client::{ContextInfo, Done, Event as ToClient},
    code::Refusal,
    ids::JobId,
    worker::{Ended, ModelFacts, Refused, Started, Step, StepToken},
};

use super::{
    Core,
    generate::changed,
    live::{Listener, Live},
    perform::slow,
};
use crate::{
    ipc::OutboxError,
    scheduler::{End, Event, Ticket, WorkerId},
    workers::{
        link::{Breach, Job, Want},
        recover::Verdict,
    },
};

impl Core {
    pub(super) fn job_started(&mut self, id: WorkerId, started: Started) {
        let worker = self.workers.get_mut(&id);
        let job = worker.and_then(|worker| worker.ledger.job_mut(started.job));
        let ticket = job.and_then(|job| job.listener.as_ref()).map(|listener| listener.ticket);
        if let Some(ticket) = ticket {
            self.resumed(ticket);
        }
        if let Some(live) = ticket.and_then(|ticket| self.live.get_mut(&ticket)) {
            let begins = live.begin(started.prompt_tokens, started.cached_tokens);
            let prompt = live.usage.prompt_tokens;
            if begins && let Some(worker) = self.workers.get_mut(&id) {
                worker.tokens.prompt += u64::from(started.prompt_tokens);
                worker.tokens.cached += u64::from(started.cached_tokens);
            }
            self.drive(Event::Started { job: started.job, prompt });
        }
    }

    /// The path of every token: one look-up, one encoding, no allocation of its own.
    pub(super) fn stepped(&mut self, id: WorkerId, step: Step) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        worker.tokens.generated += u64::try_from(step.tokens.len()).unwrap_or(0);
        // Both stay empty, and so unallocated, but for a client that does not read, and for one
        // token in many.
        let (mut full, mut grown) = (Vec::new(), Vec::new());
        for token in step.tokens {
            let Some(job) = worker.ledger.job_mut(token.job) else {
                continue;
            };
            let Some(listener) = &job.listener else {
                continue;
            };
            if job.sent == 1
                && let Some(live) = self.live.get_mut(&listener.ticket)
            {
                live.first_token();
            }
            if job.emitted.push(token.token) {
                grown.push((token.job, job.sent));
            }
            full.extend(pass_on(listener, token));
        }
        for (job, emitted) in grown {
            self.drive(Event::Grown { job, emitted });
        }
        let fewer = !step.ended.is_empty() || !step.parked.is_empty();
        for (ticket, refusal) in full {
            self.drive(Event::Abandoned { ticket, refusal });
        }
        for ended in &step.ended {
            self.job_ended(id, ended);
        }
        for job in step.parked {
            self.job_parked(id, job);
        }
        if fewer {
            self.demand(id);
        }
    }

    /// The job is over; its request waits with what its client has got.
    fn job_parked(&mut self, id: WorkerId, job: JobId) {
        let worker = self.workers.get_mut(&id);
        let Some(parked) = worker.and_then(|worker| worker.ledger.remove(job)) else {
            return;
        };
        let listener = parked.listener.as_ref();
        if let Some(live) = listener.and_then(|listener| self.live.get_mut(&listener.ticket)) {
            live.pause(job, parked.emitted);
        }
        self.drive(Event::Grown { job, emitted: parked.sent });
        self.drive(Event::Parked { job });
    }

    fn job_ended(&mut self, id: WorkerId, ended: &Ended) {
        let worker = self.workers.get_mut(&id);
        let Some(job) = worker.and_then(|worker| worker.ledger.remove(ended.job)) else {
            return;
        };
        let listener = job.listener.as_ref();
        if let Some(live) = listener.and_then(|listener| self.live.get_mut(&listener.ticket)) {
            note_times(live, &job, ended);
        }
        self.drive(Event::Grown { job: ended.job, emitted: job.sent });
        let end = End::Generated(ended.reason);
        self.drive(Event::JobEnded { job: ended.job, end });
    }

    pub(super) fn job_refused(&mut self, id: WorkerId, refused: Refused) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.ledger.remove(refused.job);
        }
        let refusal = Refusal::new(refused.code, refused.message);
        self.drive(Event::JobEnded { job: refused.job, end: End::Refused(refusal) });
        self.demand(id);
    }

    pub(super) fn answered(&mut self, id: WorkerId, job: JobId) {
        let outdated = self.workers.get(&id).is_some_and(|worker| self.is_outdated(worker));
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        let Some(answered) = worker.ledger.remove(job) else {
            return;
        };
        if let Want::State { .. } = answered.want {
            return self.state_answered(id, job, answered);
        }
        if let Some(listener) = &answered.listener {
            let Some(event) = answer(answered.want, answered.answer, &worker.facts) else {
                return worker.condemn(broken_answer(job));
            };
            if let Some(live) = self.live.get_mut(&listener.ticket) {
                live.answered(event);
            }
            let (ticket, content) = (listener.ticket, worker.digest);
            if answered.want == Want::Published {
                self.published(ticket);
            }
            if outdated {
                return self.compiled_in_vain(id, job);
            }
            self.go_on(ticket, content);
        }
        self.drive(Event::JobEnded { job, end: End::Answered });
        self.demand(id);
    }

    /// A grammar compiled for a file that is not the one in use: whoever asks again gets another
    /// worker for it.
    fn compiled_in_vain(&mut self, id: WorkerId, job: JobId) {
        self.drive(Event::Dying(id));
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.dismiss();
        }
        self.drive(Event::JobEnded { job, end: End::Refused(changed()) });
    }
}

/// Sends a token; answers the request that ends with it: its client does not read, or what is kept
/// of it takes too much.
fn pass_on(listener: &Listener, token: StepToken) -> Option<(Ticket, Refusal)> {
    if let Some(journal) = &listener.journal {
        return journal.say(token).err().map(|refusal| (listener.ticket, refusal));
    }
    let StepToken { token: id, text, logprob, top, .. } = token;
    let event = ToClient::Token { id, text, logprob, choice: listener.choice, top };
    match listener.outbox.send(&listener.id, &event) {
        Err(OutboxError::Full) => Some((listener.ticket, slow())),
        // A connection that is over says so by itself.
        Ok(()) | Err(OutboxError::Gone) => None,
    }
}

/// What a worker is killed for that answers with something else than it was asked for.
pub(super) fn broken_answer(job: JobId) -> Verdict {
    let what = "an answer that is not what was asked for";
    Verdict::Breach(Breach::Job { what, job })
}

fn note_times(live: &mut Live, job: &Job<Listener>, ended: &Ended) {
    // Far below 2^52 microseconds for any request that ends within a century.
    #[expect(clippy::cast_precision_loss, reason = "a duration in microseconds")]
    let ms = |us: u64| us as f64 / 1e3;
    live.usage.completion_tokens = job.sent;
    // The worker knows the last job of a request that was parked; the broker's times have it all.
    if live.parks > 0 {
        return;
    }
    live.timings.prefill_ms = ms(ended.prefill_us);
    live.timings.decode_ms = ms(ended.decode_us);
}

/// The answer of a brief job; `None` for bytes that are none.
fn answer(want: Want, bytes: Vec<u8>, facts: &ModelFacts) -> Option<ToClient> {
    match want {
        Want::Text => String::from_utf8(bytes).ok().map(ToClient::Text),
        Want::Ids => {
            let (ids, rest) = bytes.as_chunks::<4>();
            let ids: Vec<u32> = ids.iter().map(|id| u32::from_le_bytes(*id)).collect();
            let whole = rest.is_empty() && ids.iter().all(|&id| id < facts.n_vocab);
            whole.then_some(ToClient::Tokens(ids))
        }
        Want::Floats => {
            let (floats, rest) = bytes.as_chunks::<4>();
            let floats: Vec<f32> = floats.iter().map(|float| f32::from_le_bytes(*float)).collect();
            let whole = rest.is_empty() && floats.len() == facts.n_embd as usize;
            let whole = whole && floats.iter().all(|float| float.is_finite());
            whole.then_some(ToClient::Embedding(floats))
        }
        Want::Nothing => bytes.is_empty().then(|| ToClient::Done(Done::default())),
        Want::Count { .. } | Want::Published => {
            let tokens = <[u8; 4]>::try_from(bytes).map(u32::from_le_bytes).ok()?;
            let possible = (1..=facts.n_ctx).contains(&tokens);
            possible.then_some(ToClient::Context(ContextInfo { tokens, bytes: 0 }))
        }
        // The first has no such answer, and the other is written to a file.
        Want::Tokens { .. } | Want::State { .. } => None,
    }
}
