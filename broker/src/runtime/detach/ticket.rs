//! A session asks for a ticket.

use std::time::Duration;

use core_wire::{
    client::{Detached, Event as ToClient},
    code::{Code, Refusal},
    ids::{DetachTicket, DomainId, RequestId},
};

use super::{Home, Keep, Kept};
use crate::{
    ipc::ConnId,
    memory::shares::Share,
    runtime::{
        Core,
        contexts::Session,
        journal::{Journal, KEPT_BYTES_EACH, Owner},
        live::{Ask, Form, Live},
    },
    scheduler::Ticket,
    workers::link::{Emitted, Job, Want},
};

/// Requests that are detached at once: each holds memory, and may compute for nobody for a while.
const DETACHED_MAX: usize = 256;

/// Those of them that one session has asked for, whether it lives or not: as many as it leaves free
/// beyond 64, 96 while it is alone, and one as long as there is one.
const DETACHED_EACH: Share = Share { each_min: 1, reserve: 64 };

/// When to try again where there are too many: one of them is done by then.
const RETRY_MS: u32 = 1_000;

impl Kept {
    /// Whether one more may be detached for a session.
    ///
    /// # Errors
    /// `MEMORY`, with the numbers.
    pub(super) fn has_room(&self, domain: DomainId) -> Result<(), Refusal> {
        let all = self.requests.len();
        let own = self.requests.values().filter(|keep| keep.domain == domain).count();
        if DETACHED_EACH.allows(own, 1, DETACHED_MAX.saturating_sub(all)) {
            return Ok(());
        }
        let Share { each_min, reserve } = DETACHED_EACH;
        let message = format!(
            "{own} requests of this session are detached and {all} of all sessions, of at most \
             {DETACHED_MAX}, and beyond {each_min} a session may have as many as it leaves free, \
             without {reserve}: adopt one first, or wait"
        );
        Err(Refusal::new(Code::Memory, message).after(RETRY_MS))
    }
}

impl Core {
    /// Answers a session that asks for a ticket.
    pub(in crate::runtime) fn detach(&mut self, conn: ConnId, id: &RequestId, target: String) {
        let detached = self.give_ticket(conn, target);
        self.answer(conn, id, &detached.unwrap_or_else(ToClient::Error));
    }

    /// Gives a ticket for a generation of the session.
    ///
    /// # Errors
    /// `BAD_PARAMETER` for what cannot be detached, `MEMORY` for what cannot be kept.
    fn give_ticket(&mut self, conn: ConnId, target: String) -> Result<ToClient, Refusal> {
        let gone = || Refusal::new(Code::Internal, "the session that detaches is gone");
        let Session { peer_uid, domain } = self.clients.get(&conn).ok_or_else(gone)?.session;
        let ticket = self.to_detach(conn, target)?;
        if !self.kept.requests.contains_key(&ticket) {
            self.kept.has_room(domain)?;
        }
        let journal = self.journal_of(ticket, domain)?;
        journal.keep_all();
        let first = journal.first();
        let mut secret = [0; 16];
        getrandom::fill(&mut secret)
            .map_err(|_| Refusal::new(Code::Internal, "the kernel gives no random ticket"))?;
        let secret = DetachTicket(secret);
        let home = Home::Session(conn);
        let keep = Keep { secret, peer_uid, domain, journal, home, until_ms: None };
        self.kept.requests.insert(ticket, keep);
        let keep_ms = self.setup.config.detach_ms;
        Ok(ToClient::Detached(Detached { ticket: secret, keep_ms, first }))
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

    /// The journal of a generation; one that is new keeps what comes from now on, and counts for a
    /// session.
    fn journal_of(&mut self, ticket: Ticket, domain: DomainId) -> Result<Journal, Refusal> {
        let gone = || Refusal::new(Code::Internal, "the request that is detached is gone");
        let live = self.live.get(&ticket).ok_or_else(gone)?;
        if let Some(journal) = &live.journal {
            return Ok(journal.clone());
        }
        let job = live.job.and_then(|(worker, job)| {
            self.workers.get_mut(&worker).and_then(|worker| worker.ledger.job_mut(job))
        });
        let told = passed_on(&live.emitted, job.as_deref());
        let left = asked(live).min(self.room_of(ticket, live)).saturating_sub(told);
        let bytes = usize::try_from(left).unwrap_or(usize::MAX).saturating_mul(KEPT_BYTES_EACH);
        let portion = self.kept.answers.charge(domain, bytes)?;
        let reader = (live.outbox.clone(), live.id.clone());
        let keep = Duration::from_millis(self.setup.config.detach_ms.into());
        let journal =
            Journal::new(portion, told, reader, Owner::new(self.me.clone(), ticket, keep));
        self.kept.note(&journal);
        self.speaks_through(ticket, &journal);
        Ok(journal)
    }

    /// Tokens that the context of a request has room for in all, as far as that is known: its
    /// worker's, or the largest that it can be given, without its prompt once that was counted.
    fn room_of(&self, ticket: Ticket, live: &Live) -> u32 {
        let worker = live.job.and_then(|(worker, _)| self.workers.get(&worker));
        let most = || self.scheduler.line_of(ticket).map_or(0, |line| self.n_ctx_max(line));
        let n_ctx = worker.map_or_else(most, |worker| worker.facts.n_ctx);
        n_ctx.saturating_sub(live.usage.prompt_tokens)
    }

    /// What a request says goes through this journal from now on.
    fn speaks_through(&mut self, ticket: Ticket, journal: &Journal) {
        let Some(live) = self.live.get_mut(&ticket) else {
            return;
        };
        live.journal = Some(journal.clone());
        let worker = live.job.and_then(|(worker, job)| Some((self.workers.get_mut(&worker)?, job)));
        let job = worker.and_then(|(worker, job)| worker.ledger.job_mut(job));
        if let Some(listener) = job.and_then(|job| job.listener.as_mut()) {
            listener.journal = Some(journal.clone());
        }
    }
}

/// Tokens that were passed on of a request. What its worker has said may be more: the tokens of a
/// record are counted before all of it was checked, and one that is part of a lie goes nowhere.
pub(super) fn passed_on<L>(before: &Emitted, job: Option<&Job<L>>) -> u32 {
    job.map_or(before, |job| &job.emitted).count()
}

/// Tokens that a request asks for.
fn asked(live: &Live) -> u32 {
    match &live.ask {
        Ask::Job(work) => work.want.tokens_max(),
        Ask::Place(_) | Ask::Drain => 0,
    }
}
