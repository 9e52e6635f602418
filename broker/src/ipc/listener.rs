//! The door: takes connections, asks the kernel who they are, and lets them prove themselves.

use std::{cell::Cell, io, rc::Rc, time::Duration};

use core_wire::ids::SessionId;
use interprocess::{
    local_socket::traits::tokio::Listener as _,
    os::unix::uds_local_socket::{
        Listener as Bound,
        tokio::{Listener, Stream},
    },
};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use tokio::{
    sync::{mpsc, watch},
    task::{spawn_local, yield_now},
    time::{sleep, timeout},
};

use super::{
    Access, ConnId, FromClient, Outbox, Seats,
    complaints::Complaints,
    session::Session,
    waiting::{Ticket, WaitingRoom},
};
use crate::config::OutboxConfig;

/// How long a connection has to prove itself (contract).
pub const GRACE: Duration = Duration::from_secs(2);
/// Sessions at once. Each costs a descriptor and at least a few kilobytes; one is Control's, and a
/// thousand is every tool of every user of a large machine.
pub const SESSIONS_MAX: usize = 1024;
/// Pause after an accept that failed: the cause, mostly no free descriptor, passes by itself.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long sessions have to write what they have when the broker ends.
const FLUSH: Duration = Duration::from_secs(1);

/// What a session may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sessions at once, at most [`SESSIONS_MAX`].
    pub sessions_max: usize,
    /// Bytes of one frame from a client.
    pub frame_bytes_max: usize,
    /// What may wait for a client.
    pub outbox: OutboxConfig,
}

/// Everything that admits clients; one for a broker's life.
pub struct Door {
    access: Access,
    limits: Limits,
    waiting: WaitingRoom,
    complaints: Rc<Complaints>,
    sessions: Seats,
    next: Cell<u64>,
    runtime: mpsc::Sender<FromClient>,
    closing: watch::Sender<bool>,
}

impl Door {
    /// Starts to take connections, on the current `LocalSet`.
    ///
    /// # Errors
    /// When the listener cannot be given to the reactor.
    pub fn open(
        bound: Bound,
        access: Access,
        limits: Limits,
        runtime: mpsc::Sender<FromClient>,
    ) -> io::Result<Rc<Self>> {
        let listener = Listener::try_from(bound)?;
        let door = Rc::new(Self {
            access,
            limits,
            waiting: WaitingRoom::default(),
            complaints: Rc::default(),
            sessions: Seats::default(),
            next: Cell::new(1),
            runtime,
            closing: watch::Sender::new(false),
        });
        spawn_local(Rc::clone(&door).take_connections(listener));
        Ok(door)
    }

    /// Takes no more connections, lets each session write what it has, and waits for that, but not
    /// for a client that does not read.
    pub async fn close(&self) {
        self.closing.send_replace(true);
        // Each session holds a receiver until its end; waiting for none is waiting for all.
        let _ = timeout(FLUSH, self.closing.closed()).await;
    }

    async fn take_connections(self: Rc<Self>, listener: Listener) {
        let mut closing = self.closing.subscribe();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = closing.changed() => return,
            };
            match accepted {
                Ok(stream) => {
                    self.receive(stream);
                    // It is heard before the next one can take its place.
                    yield_now().await;
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// The user is asked of the socket itself: the crate's own way fails for a peer in another pid
    /// namespace, whose pid the kernel gives as 0.
    fn receive(self: &Rc<Self>, stream: Stream) {
        let Ok(peer) = getsockopt(&stream, PeerCredentials) else {
            return;
        };
        let uid = peer.uid();
        if !self.access.admits(uid) {
            // guard
            tracing::warn!(uid, "a user that may not connect was refused; see `uids` in core.toml");
            return;
        }
        let ticket = self.waiting.enter(uid);
        let serial = ticket.serial();
        let task = spawn_local(Rc::clone(self).admit(stream, uid, ticket));
        self.waiting.occupy(serial, task.abort_handle());
    }

    async fn admit(self: Rc<Self>, stream: Stream, uid: u32, ticket: Ticket) {
        let shaken = timeout(GRACE, self.access.shake(&stream, uid, || ticket.spoke())).await;
        drop(ticket);
        let Ok(Ok(id)) = shaken else { return };
        let Some(seat) = self.sessions.take(self.limits.sessions_max) else {
            tracing::warn!(uid, max = self.limits.sessions_max, "no session is free");
            return;
        };
        self.serve(stream, id, uid).await;
        drop(seat);
    }

    async fn serve(&self, stream: Stream, id: SessionId, peer_uid: u32) {
        let conn = ConnId(self.next.get());
        self.next.set(conn.0 + 1);
        let outbox = Outbox::new(self.limits.outbox);
        let session = Session {
            conn,
            id,
            peer_uid,
            outbox: outbox.clone(),
            frame_bytes_max: self.limits.frame_bytes_max,
            complaints: Rc::clone(&self.complaints),
            runtime: self.runtime.clone(),
        };
        let mut closing = self.closing.subscribe();
        let running = session.run(stream);
        tokio::pin!(running);
        tokio::select! {
            () = &mut running => {}
            _ = closing.wait_for(|closing| *closing) => {
                outbox.finish();
                running.await;
            }
        }
    }
}
