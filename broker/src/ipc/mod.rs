//! Clients: how they get in, what they may send, and how they are told.
//!
//! A connection passes the [`listener`] (who is it, is there room), the handshake of [`auth`] (does
//! it hold the token), and is then a session: [`handler`] reads its frames and hands requests to
//! the run loop, an [`Outbox`] carries events back. Whatever a peer does wrong ends its connection
//! and nothing else. Before the handshake is over nothing is allocated by a length that a peer
//! sent.
//!
//! Messages are read with plain reads that ask for no control data, so descriptors that a peer
//! attaches are closed by the kernel and never arrive.

#![forbid(unsafe_code)]

pub mod auth;
mod complaints;
mod handler;
pub mod listener;
mod outbox;
mod penalty;
mod session;
#[cfg(test)]
mod tests;
mod waiting;

use std::{cell::Cell, rc::Rc};

use core_wire::{client::Request, ids::RequestId};

pub use self::{
    auth::Access,
    listener::{Door, Limits},
    outbox::{Outbox, OutboxError},
};

/// Messages from clients that wait for the run loop. It empties this at every turn; when it does
/// not keep up, the readers wait, and then the clients' own sockets fill.
pub const FROM_CLIENTS_MAX: usize = 256;

/// A connection that passed the handshake; never used twice in a broker's life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// What the run loop hears of clients.
pub enum FromClient {
    /// A session has begun.
    Opened {
        /// Its connection.
        conn: ConnId,
        /// The user at the other end, as the kernel says.
        peer_uid: u32,
        /// Where its events go.
        outbox: Outbox,
    },
    /// A request; its session id was right.
    Request {
        /// Its connection.
        conn: ConnId,
        /// The client's name for it, not yet known to be unique.
        id: RequestId,
        /// What is asked, not yet checked against limits.
        request: Request,
    },
    /// A session is over; said exactly once for each that was opened.
    Closed {
        /// Its connection.
        conn: ConnId,
    },
}

/// Counts what is alive; each [`Seat`] gives its place back when it is dropped.
#[derive(Clone, Debug, Default)]
struct Seats(Rc<Cell<usize>>);

impl Seats {
    /// Takes a place unless `max` are taken.
    fn take(&self, max: usize) -> Option<Seat> {
        let taken = self.0.get();
        (taken < max).then(|| {
            self.0.set(taken + 1);
            Seat(self.clone())
        })
    }
}

/// One place.
#[derive(Debug)]
struct Seat(Seats);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.0.set(self.0.0.get().saturating_sub(1));
    }
}
