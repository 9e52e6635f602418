//! Checked requests on their way into the scheduler.
//!
//! What a client sends is one request there, or several: a grammar is compiled before the
//! generation gets its place, and several completions are a request each. They come in one after
//! the other, each once nothing is left to be done for the one before, so that a refusal of the
//! first keeps the others out.

use std::time::Instant;

use core_wire::{
    client::Priority,
    code::{Code, Refusal},
    ids::{DomainId, ModelId, RequestId},
};

use super::{
    Core,
    check::{Checked, Place},
    choices::{Group, GroupId},
    contexts::Session,
    live::{Form, Live},
};
use crate::{
    ipc::{ConnId, Outbox},
    models::{grammars::Key, hash::Digest},
    scheduler::{Arrival, Deadline, End, Entry, Event, Ticket},
};

/// Who asked, and what holds for everything that is done for it.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) conn: ConnId,
    pub(super) id: RequestId,
    pub(super) outbox: Outbox,
    pub(super) session: Session,
    pub(super) class: Priority,
    pub(super) deadline: Option<Deadline>,
    pub(super) arrived: Instant,
}

/// What waits for a grammar.
#[derive(Debug)]
pub(super) struct Rest {
    caller: Caller,
    places: Vec<Place>,
    /// Digest of the grammar.
    grammar: Digest,
}

/// What follows from effects.
#[derive(Debug)]
pub(super) enum After {
    /// A request comes in.
    Enter(Box<Entrant>),
    /// A request is given up, because its group was.
    Abandon(Ticket, Refusal),
    /// A session of nobody is over.
    Leave(ConnId),
    /// Nothing is left of a session, and nothing of it may be found any more.
    Forget(DomainId),
    /// Another worker of a model serves now, and has none of what was published for it.
    Publish(ModelId),
}

/// A request that comes in next.
#[derive(Debug)]
pub(super) struct Entrant {
    caller: Caller,
    form: Form,
    entry: Entry,
    place: Place,
}

impl Core {
    /// Brings a checked request in.
    pub(super) fn arrive(&mut self, caller: Caller, checked: Checked) {
        let Checked { grammar, places, .. } = checked;
        match grammar {
            Some((compile, grammar)) => {
                let rest = Rest { caller: caller.clone(), places, grammar };
                let form = Form::Grammar(Box::new(rest));
                self.queue_up(Entrant { caller, form, entry: Entry::Opens, place: compile });
            }
            None => self.line_up(&caller, places, Entry::Opens),
        }
        if let Some(event) = self.follow() {
            self.drive(event);
        }
    }

    /// What is to happen next, if anything is.
    ///
    /// Ends with the queue: every turn takes one out.
    pub(super) fn follow(&mut self) -> Option<Event> {
        while let Some(after) = self.after.pop_front() {
            match after {
                After::Abandon(ticket, refusal) => {
                    return Some(Event::Abandoned { ticket, refusal });
                }
                After::Leave(conn) => return Some(Event::Closed(conn)),
                After::Forget(domain) => self.forget(domain),
                After::Publish(model) => self.publish_again(&model),
                After::Enter(entry) => {
                    if let Some(event) = self.enter(*entry) {
                        return Some(event);
                    }
                }
            }
        }
        None
    }

    /// One place for each completion; several make a group.
    fn line_up(&mut self, caller: &Caller, places: Vec<Place>, first: Entry) {
        let group = (places.len() > 1).then(|| {
            self.next_group += 1;
            let id = GroupId(self.next_group);
            self.groups.insert(id, Group::new(caller, places.len()));
            id
        });
        for (index, place) in (0_u32..).zip(places) {
            let form = group.map_or(Form::Single, |group| Form::Choice { group, index });
            let entry = if index == 0 { first } else { Entry::Joins };
            self.queue_up(Entrant { caller: caller.clone(), form, entry, place });
        }
    }

    fn queue_up(&mut self, entrant: Entrant) {
        self.after.push_back(After::Enter(Box::new(entrant)));
    }

    /// Notes a request; `None` when its group is over already.
    fn enter(&mut self, entrant: Entrant) -> Option<Event> {
        let Entrant { caller, form, entry, place } = entrant;
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        if let Form::Choice { group, .. } = &form {
            self.groups.get_mut(group)?.tickets.push(ticket);
        }
        let Place { task, ask, cost, bound } = place;
        self.live.insert(ticket, Live::new(&caller, form, ask));
        let Caller { conn, id, class, deadline, .. } = caller;
        let arrival = Arrival { ticket, conn, id, entry, task, class, cost, bound, deadline };
        Some(Event::Arrived(arrival))
    }

    /// A grammar compiled: what waited for it joins the request while that is still open, so that
    /// it is never without a place that a drain would wait for.
    pub(super) fn go_on(&mut self, ticket: Ticket, content: Option<Digest>) {
        let form = self.live.get_mut(&ticket).map(|live| &mut live.form);
        let Some(Form::Grammar(rest)) = form else {
            return;
        };
        let (caller, mut places) = (rest.caller.clone(), std::mem::take(&mut rest.places));
        if let Some(content) = content {
            places.iter_mut().for_each(|place| place.compiled_for(content));
        }
        places.iter_mut().for_each(|place| self.follow_swap(&mut place.task));
        self.line_up(&caller, places, Entry::Joins);
        if let Some(event) = self.follow() {
            self.drive(event);
        }
    }

    /// A grammar was compiled, or was not, and then its request ends with that.
    pub(super) fn compiled(&mut self, live: Live, rest: Rest, end: End) {
        let outcome = match &end {
            End::Answered => Some(Ok(())),
            End::Refused(refusal) if refusal.code == Code::BadGrammar => Some(Err(refusal.clone())),
            End::Generated(_) | End::Placed | End::Drained | End::Refused(_) | End::Unheard => None,
        };
        let worker = live.job.and_then(|(worker, _)| self.workers.get(&worker));
        if let (Some(outcome), Some(model)) = (outcome, worker.and_then(|worker| worker.digest)) {
            self.grammars.remember(Key { model, grammar: rest.grammar }, outcome);
        }
        match end {
            // What waited for it has come in already.
            End::Answered => {}
            other => self.finish_single(live, other),
        }
    }
}
