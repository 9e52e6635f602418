//! Generations that outlive their connection: a ticket, what they say meanwhile, and who comes.
//!
//! A detached generation is one of its session as long as that lives. Then it moves to a session
//! of its own, which nobody is connected to, and runs on there, so that limits and fairness hold
//! for it as for any other. Whoever has its ticket moves it to a session again ([`adopt`]). Without
//! that it is cancelled and forgotten when its time is over.

mod adopt;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use core_wire::{
    client::{Detached, Event as ToClient},
    code::{Code, Refusal},
    ids::{DetachTicket, RequestId},
};
use tokio::time::Instant;

use super::{
    Core,
    arrive::After,
    journal::{Journal, KEPT_BYTES_EACH},
    live::{Ask, Form},
};
use crate::{
    ipc::ConnId,
    scheduler::{Event, Ticket},
    workers::link::Want,
};

/// Requests that are detached at once: each holds memory, and may compute for nobody for a while.
const DETACHED_MAX: usize = 256;

/// When to try again where there are too many, or no memory: one of them is done by then.
const RETRY_MS: u32 = 1_000;

/// Connections are counted from 0, sessions of nobody from here: neither count ever gets far.
const NOBODY: u64 = 1 << 63;

/// The only name in a session of nobody.
const NAME: &str = "detached";

/// What is detached, and who may come for it.
#[derive(Debug, Default)]
pub(super) struct Kept {
    requests: BTreeMap<Ticket, Keep>,
    /// Sessions of nobody so far.
    sessions: u64,
}

/// A generation that can be adopted.
#[derive(Debug)]
struct Keep {
    secret: DetachTicket,
    peer_uid: u32,
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
        }
        self.retime.notify_one();
    }

    fn forget_at_ms(&self) -> u64 {
        self.now_ms() + u64::from(self.setup.config.detach_ms)
    }

    /// Answers a session that asks for a ticket.
    pub(super) fn detach(&mut self, conn: ConnId, id: &RequestId, target: String) {
        let detached = self.give_ticket(conn, target);
        self.answer(conn, id, &detached.unwrap_or_else(ToClient::Error));
    }

    /// Gives a ticket for a generation of the session.
    ///
    /// # Errors
    /// `BAD_PARAMETER` for what cannot be detached, `MEMORY` for what cannot be kept.
    fn give_ticket(&mut self, conn: ConnId, target: String) -> Result<ToClient, Refusal> {
        let gone = || Refusal::new(Code::Internal, "the session that detaches is gone");
        let peer_uid = self.clients.get(&conn).ok_or_else(gone)?.session.peer_uid;
        let ticket = self.to_detach(conn, target)?;
        let full = self.kept.requests.len() >= DETACHED_MAX;
        if full && !self.kept.requests.contains_key(&ticket) {
            let message = format!("{DETACHED_MAX} requests are detached, and no more may be");
            return Err(Refusal::new(Code::Memory, message).after(RETRY_MS));
        }
        let journal = self.journal_of(ticket)?;
        journal.keep_all();
        let mut secret = [0; 16];
        getrandom::fill(&mut secret)
            .map_err(|_| Refusal::new(Code::Internal, "the kernel gives no random ticket"))?;
        let secret = DetachTicket(secret);
        let home = Home::Session(conn);
        let keep = Keep { secret, peer_uid, journal, home, until_ms: None };
        self.kept.requests.insert(ticket, keep);
        let keep_ms = self.setup.config.detach_ms;
        Ok(ToClient::Detached(Detached { ticket: secret, keep_ms }))
    }

    /// The one request that is to be detached.
    fn to_detach(&self, conn: ConnId, target: String) -> Result<Ticket, Refusal> {
        let bad = |message: &str| Refusal::new(Code::BadParameter, message);
        let id = RequestId::try_from(target);
        let open = id.as_ref().map_or(&[][..], |id| self.scheduler.open_as(conn, id));
        let live = open.first().and_then(|ticket| Some((*ticket, self.live.get(ticket)?)));
        let Some((ticket, live)) = live else {
            return Err(bad("no request of this name is open in this session: it may be over"));
        };
        match (&live.form, &live.ask) {
            (Form::Single, Ask::Job(work)) if matches!(work.want, Want::Tokens { .. }) => {
                Ok(ticket)
            }
            (Form::Choice { .. }, _) => {
                Err(bad("a request of several completions cannot be detached: ask for n = 1"))
            }
            (Form::Grammar(_), _) => {
                Err(bad("its grammar is being compiled: detach it after its first token"))
            }
            (Form::Single, Ask::Job(_) | Ask::Place(_) | Ask::Drain) => {
                Err(bad("only a request that generates can be detached"))
            }
        }
    }

    /// The journal of a generation; one that is new keeps what comes from now on.
    fn journal_of(&mut self, ticket: Ticket) -> Result<Journal, Refusal> {
        let gone = || Refusal::new(Code::Internal, "the request that is detached is gone");
        let live = self.live.get_mut(&ticket).ok_or_else(gone)?;
        if let Some(journal) = &live.journal {
            return Ok(journal.clone());
        }
        let Ask::Job(work) = &live.ask else {
            return Err(gone());
        };
        let max = work.want.tokens_max();
        let job = live.job.and_then(|(worker, job)| {
            self.workers.get_mut(&worker).and_then(|worker| worker.ledger.job_mut(job))
        });
        let told = job.as_ref().map_or(live.emitted.count(), |job| job.sent);
        let left = usize::try_from(max.saturating_sub(told)).unwrap_or(usize::MAX);
        let bytes = left.saturating_mul(KEPT_BYTES_EACH);
        let charge = self.prompts.charge(bytes).map_err(|_| no_memory(bytes))?;
        let journal = Journal::new(charge, told, live.outbox.clone(), live.id.clone());
        live.journal = Some(journal.clone());
        if let Some(listener) = job.and_then(|job| job.listener.as_mut()) {
            listener.journal = Some(journal.clone());
        }
        Ok(journal)
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

fn no_memory(bytes: usize) -> Refusal {
    let message = format!(
        "what it may say until it is adopted takes up to {bytes} bytes, which are not free: detach \
         it later, or ask for fewer tokens"
    );
    Refusal::new(Code::Memory, message).after(RETRY_MS)
}
