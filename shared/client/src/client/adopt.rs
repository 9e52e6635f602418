//! Generations that outlive their connection.

use core_wire::{
    client::{Detached, Event, Request},
    ids::DetachTicket,
};

use super::{Client, no_answer};
use crate::{error::RequestError, events::Events};

impl Client {
    /// Lets a generation of this connection outlive it; the answer is what [`Client::attach`]
    /// needs, on this connection or on another. Its events go on here as long as the connection
    /// does, and dropping them no longer cancels it. Asked for again, the ticket before is void.
    ///
    /// # Errors
    /// [`RequestError`]; `BAD_PARAMETER` for one that is over, or that has several completions, and
    /// `MEMORY` where what it may say cannot be kept.
    pub async fn detach(&self, events: &mut Events) -> Result<Detached, RequestError> {
        let target = events.id().clone().into();
        match self.ask(Request::Detach { target }).await? {
            Event::Detached(detached) => {
                events.outlive();
                Ok(detached)
            }
            other => Err(no_answer(&other)),
        }
    }

    /// Adopts a detached generation: its tokens from the index `from` on, those of the meantime
    /// first, then its end. `from` is how many tokens have been read of it, and at least
    /// [`Detached::first`]: those before that are not kept, and are among the events that came
    /// before the ticket, read or not. A ticket is good once, for the user that detached, for
    /// [`Detached::keep_ms`] after the connection has ended.
    ///
    /// # Errors
    /// [`RequestError`] when it cannot be sent; `BAD_PARAMETER` comes with the events.
    pub async fn attach(&self, ticket: DetachTicket, from: u32) -> Result<Events, RequestError> {
        self.open(None, Request::Attach { ticket, from }).await
    }
}
