//! Generations that outlive their connection: a ticket, what they say meanwhile, and who comes.
//!
//! A detached generation is one of its session as long as that lives. Then it moves to a session
//! of its own, which nobody is connected to, and runs on there, so that limits and fairness hold
//! for it as for any other. Whoever has its ticket moves it to a session again ([`adopt`]). Without
//! that it is cancelled and forgotten when its time is over.

mod adopt;
mod rest;
#[cfg(test)]
mod tests;
mod ticket;

use std::collections::BTreeMap;

use core_wire::ids::{DetachTicket, DomainId, RequestId};
use tokio::time::Instant;

use super::{
    Core,
    arrive::After,
    journal::{Faint, Journal},
    perform::slow,
};
use crate::{
    ipc::{ConnId, Outbox},
    memory::shares::Shares,
    scheduler::{Event, Ticket},
};

/// Connections are counted from 0, sessions of nobody from here: neither count ever gets far.
const NOBODY: u64 = 1 << 63;

/// The only name in a session of nobody.
const NAME: &str = "detached";

/// What is detached, and who may come for it.
#[derive(Debug)]
pub(super) struct Kept {
    requests: BTreeMap<Ticket, Keep>,
    /// The memory of their answers.
    answers: Shares,
    /// Every journal, also of those that were adopted; each was charged, so that bounds them.
    journals: Vec<Faint>,
    /// Sessions of nobody so far.
    sessions: u64,
}

/// A generation that can be adopted.
#[derive(Debug)]
struct Keep {
    secret: DetachTicket,
    peer_uid: u32,
    /// Of the session that asked for the ticket: it counts for that one.
    domain: DomainId,
    journal: Journal,
    /// The session that it belongs to, or belonged to when it ended.
    home: Home,
    /// When it is forgotten, on the scheduler's clock; not while it goes on in its session.
    until_ms: Option<u64>,
}

/// Where a detached generation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Home {
    /// In the session that detached it.
    Session(ConnId),
    /// In a session of nobody.
    Nobody(ConnId),
    /// It has ended, and its session too.
    Over,
}

impl Default for Kept {
    fn default() -> Self {
        let (requests, answers) = (BTreeMap::new(), Shares::of_answers());
        Self { requests, answers, journals: Vec::new(), sessions: 0 }
    }
}

impl Kept {
    /// When the next one is forgotten, on the scheduler's clock.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.requests.values().filter_map(|keep| keep.until_ms).min()
    }
}

impl Core {
    /// A session is about to end: what it has detached goes on without it.
    pub(super) fn leave_behind(&mut self, conn: ConnId) {
        let all = self.kept.requests.iter();
        let here = all.filter(|(_, keep)| keep.home == Home::Session(conn));
        let left: Vec<_> = here.map(|(&ticket, _)| ticket).collect();
        for ticket in left {
            self.leave_one_behind(ticket);
        }
    }

    fn leave_one_behind(&mut self, ticket: Ticket) {
        let until_ms = self.forget_at_ms();
        let lives = self.live.contains_key(&ticket);
        let Some(keep) = self.kept.requests.get_mut(&ticket) else {
            return;
        };
        keep.journal.silence();
        keep.until_ms.get_or_insert(until_ms);
        keep.home = Home::Over;
        if lives && let Ok(name) = RequestId::try_from(NAME.to_owned()) {
            let nobody = ConnId(NOBODY + self.kept.sessions);
            self.kept.sessions += 1;
            keep.home = Home::Nobody(nobody);
            self.drive(Event::Opened(nobody));
            self.drive(Event::Moved { ticket, conn: nobody, id: name });
            self.falls_silent(ticket);
        }
        self.retime.notify_one();
        // It may have been the last one that somebody had not read to its end.
        self.end_once_told();
    }

    /// Its old name may be another's by now: nothing is sent there any more.
    fn falls_silent(&mut self, ticket: Ticket) {
        let closed = Outbox::new(self.setup.config.outbox);
        closed.finish();
        if let Some(live) = self.live.get_mut(&ticket) {
            live.outbox = closed;
        }
    }

    /// A request's reader took nothing for too long, and has heard so. With a ticket it goes on as
    /// if its session had ended; without one nobody wants it.
    pub(super) fn reader_given_up(&mut self, ticket: Ticket) {
        if self.kept.requests.contains_key(&ticket) {
            self.leave_one_behind(ticket);
        } else {
            self.drive(Event::Abandoned { ticket, refusal: slow() });
            self.end_once_told();
        }
    }

    fn forget_at_ms(&self) -> u64 {
        self.now_ms() + u64::from(self.setup.config.detach_ms)
    }

    /// A detached generation has ended: it is kept for who comes, for a while.
    pub(super) fn detached_ended(&mut self, ticket: Ticket) {
        let until_ms = self.forget_at_ms();
        let Some(keep) = self.kept.requests.get_mut(&ticket) else {
            return;
        };
        keep.until_ms.get_or_insert(until_ms);
        if let Home::Nobody(nobody) = keep.home {
            keep.home = Home::Over;
            self.after.push_back(After::Leave(nobody));
        }
        self.retime.notify_one();
    }

    /// Forgets what nobody came for.
    pub(super) fn forget_detached(&mut self) {
        let now_ms = self.now_ms();
        let late = |keep: &Keep| keep.until_ms.is_some_and(|until_ms| until_ms <= now_ms);
        let mut homes = Vec::new();
        self.kept.requests.retain(|_, keep| {
            let late = late(keep);
            homes.extend(late.then_some(keep.home));
            !late
        });
        for home in homes {
            if let Home::Nobody(nobody) = home {
                tracing::info!("a detached request was not adopted in time, and is cancelled");
                self.drive(Event::Closed(nobody));
            }
        }
    }

    /// When that is next.
    pub(super) fn detached_due(&self) -> Option<Instant> {
        let due_ms = self.kept.next_due_ms()?;
        Some(Instant::from_std(self.setup.started) + std::time::Duration::from_millis(due_ms))
    }
}
