//! Prefixes that everybody may start from: remembered here, computed in each worker of their model.

use std::{rc::Rc, time::Instant};

use core_wire::{
    client::{ContextInfo, Event as ToClient, Priority, Prompt},
    code::{Code, Refusal},
    ids::{DomainId, ModelId, RequestId},
    worker::{JobKind, ToWorker},
};
use nix::unistd::geteuid;

use super::{OWN, Scope, Session};
use crate::{
    ipc::Outbox,
    runtime::{
        Core,
        arrive::Caller,
        check::{Checked, Place, tokens_of},
        live::{Ask, Live, Work},
        worker::Stage,
    },
    scheduler::{Bound, Cost, End, Event, LineId, Part, Task, Ticket, WorkerId},
    workers::{feed::Held, link::Want},
};

/// Prefixes of one model: a host has a handful of programs, and each has its instructions. The
/// worker keeps as many.
const PUBLISHED_MAX: usize = 16;

/// A prefix that was published.
#[derive(Debug)]
pub(super) struct Published {
    /// Counted with the prompts that are held, for as long as it is published.
    prompt: Rc<Held>,
    tokens: u32,
}

/// Which requests of the broker's own make another one for the same prefix needless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnTheWay {
    /// Those that wait for a worker.
    Waits,
    /// Also those that one has.
    WaitsOrRuns,
}

impl Core {
    /// A publication takes a slot, for it computes: it is a generation that ends with its prompt.
    pub(in crate::runtime) fn check_publish(
        &mut self,
        session: Session,
        model: &str,
        prompt: &Prompt,
    ) -> Result<Checked, Refusal> {
        let model = self.prompted(model, prompt)?;
        let held = self.hold(session, prompt, 0)?;
        let published = self.contexts.published.get(&model).map_or(&[][..], Vec::as_slice);
        if is_full(published, &held) {
            return Err(full(&model));
        }
        Ok(Checked::one(self.publication(&model, held, tokens_of(prompt))))
    }

    fn publication(&self, model: &ModelId, prompt: Rc<Held>, tokens: u32) -> Place {
        let (kind, want, scope) = (JobKind::Publish, Want::Published, Scope::Public);
        let work = Work { kind, want, prompt, scope, compiled_for: None };
        let task = Task::Generate(self.registry.line(model.clone(), Part::Whole));
        let cost = Cost { prompt: tokens, max_tokens: 0 };
        // It may be ids, and only its sender knows which text they were for.
        Place { task, ask: Ask::Job(work), cost, bound: Bound::Vocabulary }
    }

    /// A worker has computed a prefix: the next ones of its model get it as well.
    pub(in crate::runtime) fn published(&mut self, ticket: Ticket) {
        let Some(live) = self.live.get_mut(&ticket) else {
            return;
        };
        let worker = live.job.and_then(|(worker, _)| self.workers.get(&worker));
        let line = worker.and_then(|worker| worker.line.as_ref());
        let (Ask::Job(work), Some(line), Some(ToClient::Context(info))) =
            (&live.ask, line, &live.answer)
        else {
            return;
        };
        let published = self.contexts.published.entry(line.model.clone()).or_default();
        if is_full(published, &work.prompt) {
            live.answer = Some(ToClient::Error(full(&line.model)));
            return;
        }
        // What was withdrawn while a worker computed it again stays withdrawn.
        let known = published.iter_mut().find(|known| known.prompt.is_same(&work.prompt));
        match known {
            Some(known) => known.tokens = info.tokens,
            None if live.session.domain == DomainId::PUBLIC => {
                let (line, worker) = (line.clone(), live.job.map(|(worker, _)| worker));
                self.unpublish(worker, &line.model);
            }
            None => published.push(Published { prompt: work.prompt.clone(), tokens: info.tokens }),
        }
    }

    /// A worker has computed what was withdrawn meanwhile.
    fn unpublish(&mut self, worker: Option<WorkerId>, model: &ModelId) {
        if let Some(worker) = worker.and_then(|worker| self.workers.get_mut(&worker)) {
            worker.say(&ToWorker::Forget(DomainId::PUBLIC));
        }
        // What this worker computes by now may be forgotten with the rest.
        self.publish_unless(model, OnTheWay::Waits);
    }

    /// Gives a new worker what was published for its model, ahead of those who wait for it. They
    /// are requests of the broker's own, so they wait for a slot and for cores like any other.
    pub(in crate::runtime) fn publish_again(&mut self, model: &ModelId) {
        // One that was lost with a worker waits, or was given to the next one already: it is the
        // same request, and a second one would be computed for nothing, after each loss one more.
        self.publish_unless(model, OnTheWay::WaitsOrRuns);
    }

    fn publish_unless(&mut self, model: &ModelId, on_the_way: OnTheWay) {
        let line = self.registry.line(model.clone(), Part::Whole);
        let published = self.contexts.published.get(model).into_iter().flatten();
        let missing = published.filter(|one| !self.is_on_the_way(&line, one, on_the_way));
        let prompts: Vec<_> = missing.map(|one| (one.prompt.clone(), one.tokens)).collect();
        for (prompt, tokens) in prompts {
            self.contexts.given += 1;
            let name = format!("published-{}", self.contexts.given);
            let Ok(id) = RequestId::try_from(name) else {
                continue;
            };
            let peer_uid = geteuid().as_raw();
            let caller = Caller {
                conn: OWN,
                id,
                // Nobody reads it; it goes with the request.
                outbox: Outbox::new(self.setup.config.outbox),
                session: Session { peer_uid, domain: DomainId::PUBLIC },
                class: Priority::Interactive,
                deadline: None,
                arrived: Instant::now(),
            };
            let place = self.publication(model, prompt, tokens);
            self.arrive(caller, Checked::one(place));
        }
    }

    /// Whether a request of the broker's own is going to give the worker of a line this prefix.
    fn is_on_the_way(&self, line: &LineId, one: &Published, on_the_way: OnTheWay) -> bool {
        self.live.iter().any(|(&ticket, live)| {
            let Ask::Job(work) = &live.ask else {
                return false;
            };
            let counts = live.job.is_none() || on_the_way == OnTheWay::WaitsOrRuns;
            let own = live.session.domain == DomainId::PUBLIC;
            let same = counts && own && work.prompt.is_same(&one.prompt);
            same && self.scheduler.line_of(ticket) == Some(line)
        })
    }

    /// Opens the session of what the broker asks by itself.
    pub(in crate::runtime) fn open_own_session(&mut self) {
        self.drive(Event::Opened(OWN));
    }

    /// A request of the broker's own ended. A prefix that kills workers is published no longer: it
    /// would kill each new one.
    pub(in crate::runtime) fn own_ended(&mut self, live: &Live, end: &End) {
        match end {
            End::Answered | End::Placed | End::Drained | End::Unheard => {}
            End::Generated(_) => tracing::warn!("a published prefix was cancelled"),
            End::Refused(refusal) => {
                let (code, reason) = (refusal.code.name(), &refusal.message);
                tracing::warn!(code, reason, "a new worker is without a published prefix");
                if let (Code::Quarantined, Ask::Job(work)) = (refusal.code, &live.ask) {
                    let all = self.contexts.published.values_mut();
                    all.for_each(|of| of.retain(|one| !one.prompt.is_same(&work.prompt)));
                }
            }
        }
    }

    /// Forgets what was published for a model, here and in its workers.
    pub(in crate::runtime) fn withdraw(&mut self, model: &str) -> ToClient {
        let model = match self.model(model) {
            Ok(model) => model,
            Err(refusal) => return ToClient::Error(refusal),
        };
        for worker in self.workers.values_mut() {
            let is_meant = worker.whole().is_some_and(|line| line.model == model);
            // The mark stays: what is being computed now may be kept after this and be meant next.
            if is_meant && worker.stage != Stage::Gone && worker.domains.contains(&DomainId::PUBLIC)
            {
                worker.say(&ToWorker::Forget(DomainId::PUBLIC));
            }
        }
        let withdrawn = self.contexts.published.remove(&model).unwrap_or_default();
        let tokens = withdrawn.iter().fold(0_u32, |sum, one| sum.saturating_add(one.tokens));
        ToClient::Context(ContextInfo { tokens, bytes: 0 })
    }
}

/// Whether no room is left for a prefix that is not there already.
fn is_full(published: &[Published], prompt: &Held) -> bool {
    let is_there = || published.iter().any(|one| one.prompt.is_same(prompt));
    published.len() >= PUBLISHED_MAX && !is_there()
}

fn full(model: &ModelId) -> Refusal {
    let message = format!(
        "{model} has {PUBLISHED_MAX} published prefixes, and no more are kept: withdraw them first"
    );
    Refusal::new(Code::BadParameter, message)
}
