//! What a job takes of its worker, and for how long.

use core_wire::client::Priority;

use super::{LineId, Ticket, WorkerId, priority::Next};

/// What a job takes of its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// A slot.
    Slot,
    /// One of [`super::batch::BRIEFS_MAX`].
    Brief,
    /// One of [`super::batch::TEXTS_MAX`].
    Text,
}

/// A job in a worker. It keeps its share until the worker is done with it, even after its request
/// has ended: only the worker can free a sequence.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) worker: WorkerId,
    pub(super) line: LineId,
    pub(super) share: Share,
    pub(super) class: Priority,
    /// Who waits for it; `None` once that request has ended otherwise.
    pub(super) ticket: Option<Ticket>,
    /// When it was given to the worker.
    pub(super) since_ms: u64,
    /// Cells that it is charged for.
    pub(super) cells: u32,
    /// Tokens that its request had then.
    pub(super) tokens: u32,
    /// How long it may keep its slot.
    pub(super) stay: Stay,
    /// Whether the worker was given nothing else since it was started.
    pub(super) sole: bool,
}

/// Whether a job may keep its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    /// Until its request has got so many tokens in any case, and then as long as nobody needs it.
    Until(u32),
    /// The worker was asked to give it up.
    Leaves,
}

impl Seat {
    /// A seat that takes no slot.
    pub(super) fn beside(
        worker: WorkerId,
        line: &LineId,
        (next, share): (Next, Share),
        since_ms: u64,
    ) -> Self {
        let (line, ticket) = (line.clone(), Some(next.place.ticket()));
        let (class, cells, tokens, stay) = (next.class, 0, 0, Stay::Until(0));
        let sole = false;
        Self { worker, line, share, class, ticket, since_ms, cells, tokens, stay, sole }
    }
}
