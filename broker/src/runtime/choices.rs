//! Several completions of one prompt: a request each for the scheduler, one for the client.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use core_wire::{
    client::{Choice, Done, Event as ToClient, FinishReason, Timings, Usage},
    code::{Code, Refusal},
    ids::{JobId, RequestId},
};

use super::{
    Core,
    arrive::{After, Caller},
    live::Live,
    perform::slow,
};
use crate::{
    ipc::{Outbox, OutboxError},
    scheduler::{End, Ticket},
};

/// A request of several completions; never used twice in a broker's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GroupId(pub(super) u64);

/// What is known of all completions together.
#[derive(Debug)]
pub(super) struct Group {
    outbox: Outbox,
    id: RequestId,
    /// Those that came in so far.
    pub(super) tickets: Vec<Ticket>,
    /// The job of the first one that was given to a worker: others may share its prompt's cells.
    first_job: Option<JobId>,
    sum: Sum,
}

/// Their ends, added up.
#[derive(Debug)]
struct Sum {
    left: BTreeSet<u32>,
    reason: FinishReason,
    usage: Usage,
    timings: Timings,
}

impl Group {
    pub(super) fn new(caller: &Caller, completions: usize) -> Self {
        let (outbox, id) = (caller.outbox.clone(), caller.id.clone());
        Self { outbox, id, tickets: Vec::new(), first_job: None, sum: Sum::new(completions) }
    }

    /// The job whose prompt `job` shares; `None` for the first one.
    pub(super) fn shared(&mut self, job: JobId) -> Option<JobId> {
        self.first_job.replace(self.first_job.unwrap_or(job))
    }

    fn send(&self, event: &ToClient) -> Result<(), OutboxError> {
        self.outbox.send(&self.id, event)
    }
}

impl Core {
    /// One of several completions ended; the request ends with the last one, or with an error.
    pub(super) fn choice_ended(&mut self, id: GroupId, index: u32, mut live: Live, end: End) {
        match end {
            End::Generated(reason) => {
                let done = live.done(reason);
                self.choice_done(id, index, reason, &done);
            }
            End::Refused(refusal) => self.fail_group(id, refusal),
            End::Unheard => {
                if self.groups.remove(&id).is_some() {
                    self.counts.cancelled += 1;
                }
            }
            End::Answered | End::Placed | End::Drained => {
                self.fail_group(id, Refusal::new(Code::Internal, "a completion has no such end"));
            }
        }
    }

    fn choice_done(&mut self, id: GroupId, index: u32, reason: FinishReason, done: &Done) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        group.sum.add(index, reason, done);
        if reason != FinishReason::Cancelled {
            let choice = Choice { index, finish_reason: reason, usage: done.usage };
            if let Err(OutboxError::Full) = group.send(&ToClient::Choice(choice)) {
                return self.fail_group(id, slow());
            }
        }
        if group.sum.left.is_empty() {
            let done = group.sum.done();
            // One that is gone hears nothing; one that is full is closed by its outbox.
            let _ = group.send(&ToClient::Done(done));
            match group.sum.reason {
                FinishReason::Cancelled => self.counts.cancelled += 1,
                FinishReason::Stop | FinishReason::Length => self.counts.done += 1,
            }
            self.groups.remove(&id);
        }
    }

    /// Ends a request of several completions; those that go on are given up.
    fn fail_group(&mut self, id: GroupId, refusal: Refusal) {
        let Some(group) = self.groups.remove(&id) else {
            return;
        };
        self.count_failed(refusal.code);
        let others = group.tickets.iter().filter(|ticket| self.live.contains_key(ticket));
        let others = others.map(|&ticket| After::Abandon(ticket, refusal.clone()));
        self.after.extend(others);
        // One that is gone hears nothing; one that is full is closed by its outbox.
        let _ = group.send(&ToClient::Error(refusal));
    }
}

impl Sum {
    fn new(completions: usize) -> Self {
        let (reason, usage) = (FinishReason::Stop, Usage::default());
        let left = (0_u32..).take(completions).collect();
        Self { left, reason, usage, timings: Timings::default() }
    }

    /// The prompt counts once, as the completion that computed most of it says; of the times those
    /// of the slowest count.
    fn add(&mut self, index: u32, reason: FinishReason, done: &Done) {
        self.left.remove(&index);
        self.reason = worse(self.reason, reason);
        let Usage { prompt_tokens, cached_tokens, completion_tokens } = done.usage;
        let computed = |usage: &Usage| usage.prompt_tokens.saturating_sub(usage.cached_tokens);
        if computed(&done.usage) > computed(&self.usage) || self.usage.prompt_tokens == 0 {
            self.usage.prompt_tokens = prompt_tokens;
            self.usage.cached_tokens = cached_tokens;
        }
        self.usage.completion_tokens =
            self.usage.completion_tokens.saturating_add(completion_tokens);
        if total_ms(&done.timings) > total_ms(&self.timings) {
            self.timings = done.timings;
        }
    }

    fn done(&self) -> Done {
        Done { finish_reason: Some(self.reason), usage: self.usage, timings: self.timings }
    }
}

/// The reason to tell of two: cancelled before length before stop.
fn worse(one: FinishReason, other: FinishReason) -> FinishReason {
    match (one, other) {
        (FinishReason::Cancelled, _) | (_, FinishReason::Cancelled) => FinishReason::Cancelled,
        (FinishReason::Length, _) | (_, FinishReason::Length) => FinishReason::Length,
        (FinishReason::Stop, FinishReason::Stop) => FinishReason::Stop,
    }
}

fn total_ms(timings: &Timings) -> f64 {
    timings.queue_ms + timings.prefill_ms + timings.decode_ms
}
