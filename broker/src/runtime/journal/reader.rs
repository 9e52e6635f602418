//! Who hears a journal, and for how long it is waited for one that does not read.

use std::{cell::RefCell, pin::pin, rc::Weak, time::Duration};

use core_wire::{client::Event as ToClient, ids::RequestId, worker::StepToken};
use tokio::{task::AbortHandle, time::timeout};

use super::{Journal, Told};
use crate::{ipc::Outbox, runtime::Core, scheduler::Ticket};

/// How long a reader may take nothing, at the least: one that reads at all takes something within
/// it, however short the time is that a request is kept for.
const PATIENCE_MIN: Duration = Duration::from_secs(1);

/// Whose journal it is.
#[derive(Clone, Debug)]
pub(in crate::runtime) struct Owner {
    core: Weak<RefCell<Core>>,
    ticket: Ticket,
    /// How long a reader may take nothing.
    pub(super) patience: Duration,
}

/// Who hears it.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) outbox: Outbox,
    pub(super) id: RequestId,
    /// Index of the token that is told next.
    pub(super) next: u32,
    /// Waits for room, if that is needed.
    pub(super) pump: Option<AbortHandle>,
}

impl Owner {
    /// A request, for which a reader has as long as the request is kept without one.
    pub(in crate::runtime) fn new(
        core: Weak<RefCell<Core>>,
        ticket: Ticket,
        keep: Duration,
    ) -> Self {
        Self { core, ticket, patience: keep.max(PATIENCE_MIN) }
    }

    /// Says that a reader that was waited for has got all of a request that has ended.
    pub(super) fn is_told(&self) {
        if let Some(core) = self.core.upgrade() {
            core.borrow_mut().end_once_told();
        }
    }

    /// Says that the reader was given up.
    pub(super) fn is_given_up(&self) {
        if let Some(core) = self.core.upgrade() {
            core.borrow_mut().reader_given_up(self.ticket);
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(pump) = self.pump.take() {
            pump.abort();
        }
    }
}

/// Tells the rest as room comes; a connection that ends makes room for everything.
pub(super) async fn pump(journal: Journal, outbox: Outbox, patience: Duration) {
    // Ends when all is told or the reader has gone or is given up: each turn waits for the client
    // to read, and no longer than that may take. It tells before it waits: there may be room by
    // now, and a write that made it would not come again.
    while journal.tell_more() == Told::Some {
        if !has_turn(&outbox, patience).await {
            return journal.give_up();
        }
    }
}

/// Waits for a turn, as long as the client reads: others that wait on the same connection have
/// theirs first. Answers whether it came.
async fn has_turn(outbox: &Outbox, patience: Duration) -> bool {
    // One place in line for the whole of it.
    let mut turn = pin!(outbox.turn());
    let mut wait = patience;
    // Ends once the client takes nothing for so long: each write brings the turn nearer.
    while timeout(wait, turn.as_mut()).await.is_err() {
        wait = patience.saturating_sub(outbox.unread());
        if wait.is_zero() {
            return false;
        }
    }
    true
}

/// The event of a token; a generation that can be detached is the only completion of its request.
pub(super) fn told(token: &StepToken) -> ToClient {
    let StepToken { token: id, text, logprob, top, .. } = token.clone();
    ToClient::Token { id, text, logprob, choice: 0, top }
}
