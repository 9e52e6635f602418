//! From a client's frame to an arrival or an answer.

use core_wire::{
    client::{Done, Event as ToClient, Request},
    ids::RequestId,
};

use super::{
    Core,
    arrive::Caller,
    contexts::{Client, Session},
};
use crate::{
    ipc::{ConnId, FromClient},
    scheduler::{self, Deadline, Event},
};

impl Core {
    /// Takes one message of the listener.
    pub(super) fn client(&mut self, message: FromClient) {
        match message {
            FromClient::Opened { conn, peer_uid, outbox } => {
                tracing::debug!(conn = conn.0, peer_uid, "session opened");
                let domain = self.contexts.new_domain();
                self.clients.insert(conn, Client { outbox, session: Session { peer_uid, domain } });
                self.drive(Event::Opened(conn));
            }
            FromClient::Request { conn, id, request } => self.request(conn, id, request),
            FromClient::Closed { conn } => {
                self.leave_behind(conn);
                self.drive(Event::Closed(conn));
                // After its jobs were cancelled: none of them leaves anything behind then.
                if let Some(client) = self.clients.remove(&conn) {
                    self.forget_unless_used(client.session.domain);
                }
            }
        }
    }

    fn request(&mut self, conn: ConnId, id: RequestId, request: Request) {
        if !self.clients.contains_key(&conn) {
            return;
        }
        // Also for those that are answered at once: two answers under one id help nobody.
        if self.scheduler.is_open(conn, &id) || self.inspections.survey.is_awaited(conn, &id) {
            self.answer(conn, &id, &ToClient::Error(scheduler::duplicate()));
            return;
        }
        match request {
            Request::Cancel { target } => {
                self.drive(Event::Cancelled { conn, target });
                self.answer(conn, &id, &ToClient::Done(Done::default()));
            }
            Request::Detach { target } => self.detach(conn, &id, target),
            Request::Attach { ticket, from } => self.adopt(conn, &id, (ticket, from)),
            Request::Models => self.tell_models(conn, id),
            Request::Status => self.answer(conn, &id, &self.status()),
            Request::Audit => {
                let audit = self.audit();
                self.answer(conn, &id, &audit);
            }
            Request::Withdraw { model } => {
                let withdrawn = self.withdraw(&model);
                self.answer(conn, &id, &withdrawn);
            }
            Request::Generate(_)
            | Request::Tokenize { .. }
            | Request::Detokenize { .. }
            | Request::Load { .. }
            | Request::Unload { .. }
            | Request::Drain
            | Request::Shutdown
            | Request::Embed { .. }
            | Request::Swap { .. }
            | Request::Save { .. }
            | Request::Restore { .. }
            | Request::Publish { .. } => self.enqueue(conn, id, request),
        }
    }

    /// Sends the only event of a request that is answered at once.
    pub(super) fn answer(&mut self, conn: ConnId, id: &RequestId, event: &ToClient) {
        match event {
            ToClient::Error(refusal) => self.count_failed(refusal.code),
            // Who only looks changes nothing, so that what is looked at every second stands still.
            ToClient::Status(_) | ToClient::Models(_) | ToClient::Audit(_) => {}
            _ => self.counts.done += 1,
        }
        if let Some(client) = self.clients.get(&conn) {
            // A client that is gone, or reads nothing, is closed by its outbox.
            let _ = client.outbox.send(id, event);
        }
    }

    fn enqueue(&mut self, conn: ConnId, id: RequestId, request: Request) {
        let shutdown = matches!(request, Request::Shutdown);
        let Some(Client { outbox, session }) = self.clients.get(&conn).cloned() else {
            return;
        };
        let checked = match self.check(session, request) {
            Ok(checked) => checked,
            Err(refusal) => return self.answer(conn, &id, &ToClient::Error(refusal)),
        };
        let (class, deadline_ms) = (checked.class, checked.deadline_ms);
        let deadline = deadline_ms
            .map(|after_ms| Deadline { at_ms: self.now_ms() + u64::from(after_ms), after_ms });
        let arrived = std::time::Instant::now();
        self.arrive(Caller { conn, id, outbox, session, class, deadline, arrived }, checked);
        if shutdown {
            self.begin_end();
        }
        if deadline.is_some() {
            self.retime.notify_one();
        }
    }
}
