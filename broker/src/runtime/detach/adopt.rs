//! Somebody comes with a ticket.

use core_wire::{
    client::Event as ToClient,
    code::{Code, Refusal},
    ids::{DetachTicket, RequestId},
};
use subtle::ConstantTimeEq as _;

use super::{Home, Kept};
use crate::{
    ipc::ConnId,
    runtime::{Core, contexts::Client, journal::Journal},
    scheduler::{Event, Ticket},
};

impl Kept {
    /// How many there are.
    pub(in crate::runtime) fn len(&self) -> usize {
        self.requests.len()
    }

    /// The one that this user has this ticket for. Every secret is compared in whole, so the time
    /// that takes tells nothing of them.
    pub(super) fn find(&self, peer_uid: u32, secret: DetachTicket) -> Option<Ticket> {
        let mut found = None;
        for (&ticket, keep) in &self.requests {
            let same = bool::from(keep.secret.0.ct_eq(&secret.0));
            if same && keep.peer_uid == peer_uid {
                found = Some(ticket);
            }
        }
        found
    }
}

impl Core {
    /// Lets a session adopt what a ticket is for; what it has said comes first.
    pub(in crate::runtime) fn adopt(
        &mut self,
        conn: ConnId,
        id: &RequestId,
        what: (DetachTicket, u32),
    ) {
        if let Err(refusal) = self.attach(conn, id, what) {
            self.answer(conn, id, &ToClient::Error(refusal));
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// `BAD_PARAMETER`: nobody who asks learns whether there ever was such a ticket. `QUEUE_FULL`
    /// where the session has too many that wait; the ticket stays good.
    fn attach(
        &mut self,
        conn: ConnId,
        id: &RequestId,
        (secret, from): (DetachTicket, u32),
    ) -> Result<(), Refusal> {
        let Some(Client { outbox, session }) = self.clients.get(&conn).cloned() else {
            return Ok(());
        };
        let ticket = self.kept.find(session.peer_uid, secret).ok_or_else(no_ticket)?;
        let journal = self.kept.requests.get(&ticket).map(|keep| keep.journal.clone());
        let journal = journal.ok_or_else(no_ticket)?;
        within(from, &journal)?;
        self.scheduler.may_move(ticket, conn)?;
        // Who has read it so far may still have to be told, also of one that has ended.
        journal.leave_reader(self.live.get(&ticket).map(|live| (live.usage, live.timings)));
        if let Some(keep) = self.kept.requests.remove(&ticket) {
            self.take_along(ticket, conn, id, keep.home);
        }
        if let Some(live) = self.live.get_mut(&ticket) {
            (live.outbox, live.id) = (outbox.clone(), id.clone());
        }
        journal.read_by(outbox, id.clone(), from);
        Ok(())
    }

    /// Moves a request to the session that adopts it. Its cache domain goes with it, for it alone:
    /// that is forgotten when the request has ended ([`Core::forget_unless_used`]).
    fn take_along(&mut self, ticket: Ticket, conn: ConnId, id: &RequestId, home: Home) {
        self.drive(Event::Moved { ticket, conn, id: id.clone() });
        if let Home::Nobody(nobody) = home {
            self.drive(Event::Closed(nobody));
        }
        let job = self.live.get(&ticket).and_then(|live| live.job);
        let worker = job.and_then(|(worker, job)| Some((self.workers.get_mut(&worker)?, job)));
        let job = worker.and_then(|(worker, job)| worker.ledger.job_mut(job));
        if let (Some(listener), Some(client)) =
            (job.and_then(|job| job.listener.as_mut()), self.clients.get(&conn))
        {
            (listener.outbox, listener.id) = (client.outbox.clone(), id.clone());
        }
    }
}

/// Checks that everything from the token `from` on is there.
pub(super) fn within(from: u32, journal: &Journal) -> Result<(), Refusal> {
    let (first, count) = (journal.first(), journal.count());
    if (first..=count).contains(&from) {
        return Ok(());
    }
    let message = format!(
        "tokens are kept from index {first} on, and there are {count}: attach from {first} to \
         {count}, not from {from}"
    );
    Err(Refusal::new(Code::BadParameter, message))
}

fn no_ticket() -> Refusal {
    let message = "no request can be adopted with this ticket: it was used, has expired, or was \
                   never given to this user";
    Refusal::new(Code::BadParameter, message)
}
