//! What the scheduler is told.

use core_wire::{
    code::Refusal,
    ids::{JobId, RequestId},
};

use super::{Arrival, End, LineId, Ticket, WorkerId};
use crate::{config::Keep, ipc::ConnId};

/// How long a worker stays, and what could take its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tenure {
    /// Who goes first when memory is short.
    pub(crate) keep: Keep,
    /// Milliseconds that it stays with nothing to do; `None` is for ever.
    pub(crate) idle_ms: Option<u64>,
    /// Digest of its vocabulary; 0 is unknown, and equal to nothing.
    pub(crate) vocabulary: u64,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A session began.
    Opened(ConnId),
    /// A request came.
    Arrived(Arrival),
    /// A client asks for the end of a request of its own session.
    Cancelled {
        /// The session.
        conn: ConnId,
        /// The request's name there; unknown ones are over already.
        target: String,
    },
    /// The broker gives a request up.
    Abandoned {
        /// The request.
        ticket: Ticket,
        /// What its client is told.
        refusal: Refusal,
    },
    /// A session ended; nobody can be told anything any more.
    Closed(ConnId),
    /// A request goes on in another session, which is open.
    Moved {
        /// The request.
        ticket: Ticket,
        /// Its session from now on.
        conn: ConnId,
        /// Its name there, which is free.
        id: RequestId,
    },
    /// A worker can serve the line that [`super::Effect::Load`] or [`super::Effect::LoadSpare`]
    /// named.
    Ready {
        /// The line.
        line: LineId,
        /// Its worker.
        worker: WorkerId,
        /// Requests that it runs at once, at least 1.
        slots: usize,
        /// Cells of its KV cache.
        cells: u32,
        /// How long it stays.
        tenure: Tenure,
    },
    /// A worker for the line that [`super::Effect::Load`] named takes so much; answered by
    /// [`super::Effect::Start`] once that is free, or by [`super::Effect::NoRoom`].
    Sized {
        /// The line.
        line: LineId,
        /// Bytes, page cache included.
        bytes: u64,
        /// Digest of its vocabulary, 0 where that is not known yet.
        vocabulary: u64,
    },
    /// The worker that [`super::Effect::Load`] or [`super::Effect::LoadSpare`] asked for cannot be
    /// had.
    LoadFailed {
        /// The line.
        line: LineId,
        /// What everybody who waits for it is told.
        refusal: Refusal,
    },
    /// The worker that was to serve a line was killed from elsewhere while it loaded: answered by
    /// [`super::Effect::Load`] as long as somebody needs it, and as [`Event::LoadFailed`] where
    /// that has happened too often in a row.
    LoadKilled {
        /// The line.
        line: LineId,
        /// What everybody who waits for it is told then.
        refusal: Refusal,
    },
    /// A worker has counted the prompt of a job.
    Started {
        /// The job.
        job: JobId,
        /// Tokens of its prompt.
        prompt: u32,
    },
    /// A job has emitted more tokens; told once for each block of cells, and before the job ends or
    /// is parked.
    Grown {
        /// The job.
        job: JobId,
        /// Tokens that its request has got in all.
        emitted: u32,
    },
    /// A worker gave a job up, because it was asked to or because its KV cache was full. The slot
    /// is free, and the request waits again.
    Parked {
        /// The job.
        job: JobId,
    },
    /// A worker is done with a job; its slot is free.
    JobEnded {
        /// The job.
        job: JobId,
        /// How it went.
        end: End,
    },
    /// The line is to have a worker though nobody waits for it; nothing new while draining.
    Wanted(LineId),
    /// Nobody needs the line's worker any more: it is asked to end if it runs nothing and nobody
    /// waits for it, and otherwise stays.
    Dismissed(LineId),
    /// A line that is served is to have a spare, unless it has one.
    SpareWanted(LineId),
    /// A line's spare is given up; it ends by itself.
    SpareUnwanted(LineId),
    /// A worker that was ready is ending: it gets nothing new, and what it has said is still heard.
    Dying(WorkerId),
    /// A worker that was ready is no more, asked for or not.
    Gone {
        /// The worker.
        worker: WorkerId,
        /// What the owners of its running jobs are told, where they end with it.
        refusal: Refusal,
        /// What becomes of them.
        loss: Loss,
    },
    /// Time has passed.
    Tick {
        /// The time.
        now_ms: u64,
    },
    /// Nothing new is taken from now on.
    Drain,
    /// What still waits or runs ends now; only after [`Event::Drain`].
    Cut,
}

/// What the end of a worker means for what it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It goes on with another worker, as if it had been parked.
    Innocent,
    /// Likewise, but the worker died of something that it ran: that counts against all of it.
    Suspect,
    /// It ends: there is nothing that it could go on with.
    Final,
}
