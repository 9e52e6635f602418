//! What the scheduler is told, and what it answers.

use core_wire::{
    client::{FinishReason, Priority},
    code::Refusal,
    ids::{JobId, RequestId},
};

use super::{LineId, Ticket, WorkerId};
use crate::ipc::ConnId;

/// What a request wants of the scheduler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// A slot of the line's worker.
    Generate(LineId),
    /// A moment of the line's worker, without a slot: tokenize, detokenize, compile a grammar.
    Brief(LineId),
    /// An embedding by the line's worker: no slot, but more than a moment.
    Embed(LineId),
    /// A worker for the line.
    Load(LineId),
    /// No worker for the line.
    Unload(LineId),
    /// That nothing runs any more, and that nothing new is taken.
    Drain,
}

/// A request that passed every check that needs no state of the scheduler.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// Its name here.
    pub(crate) ticket: Ticket,
    /// Its session.
    pub(crate) conn: ConnId,
    /// Its name there.
    pub(crate) id: RequestId,
    /// Whether it opens that name.
    pub(crate) entry: Entry,
    /// What it wants.
    pub(crate) task: Task,
    /// Which class it waits in.
    pub(crate) class: Priority,
    /// What it may take; nothing but for [`Task::Generate`] and [`Task::Embed`].
    pub(crate) cost: Cost,
    /// When it gives up.
    pub(crate) deadline: Option<Deadline>,
}

/// What a request may take, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Its prompt: exact for ids, estimated for text until [`Event::Started`] tells.
    pub(crate) prompt: u32,
    /// What it may generate.
    pub(crate) max_tokens: u32,
}

/// How a request stands to its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It opens the name, which no other request of its session may have.
    Opens,
    /// It joins a request of that name that was accepted and is open: another completion of its
    /// prompt, or what waited for its grammar. So it is not refused because of a drain.
    Joins,
}

/// When a request gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline {
    /// On the clock of [`Event::Tick`].
    pub(crate) at_ms: u64,
    /// How long after its arrival that is, for the sentence about it.
    pub(crate) after_ms: u32,
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
    /// A worker can serve the line that [`Effect::Load`] or [`Effect::LoadSpare`] named.
    Ready {
        /// The line.
        line: LineId,
        /// Its worker.
        worker: WorkerId,
        /// Requests that it runs at once, at least 1.
        slots: usize,
        /// Cells of its KV cache.
        cells: u32,
    },
    /// A worker for the line that [`Effect::Load`] named takes so much; answered by
    /// [`Effect::Start`] once that is free, or by [`Effect::NoRoom`].
    Sized {
        /// The line.
        line: LineId,
        /// Bytes, page cache included.
        bytes: u64,
    },
    /// The worker that [`Effect::Load`] or [`Effect::LoadSpare`] asked for cannot be had.
    LoadFailed {
        /// The line.
        line: LineId,
        /// What everybody who waits for it is told.
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

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A generation came to its end, or was cancelled.
    Generated(FinishReason),
    /// A brief job has its whole answer.
    Answered,
    /// The model is as it was asked to be.
    Placed,
    /// The broker is drained.
    Drained,
    /// It is refused, or failed.
    Refused(Refusal),
    /// Its session ended before it: nobody is told.
    Unheard,
}

/// Something that has to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Tell a client how many are in front.
    Queued {
        /// The request.
        ticket: Ticket,
        /// Requests in front of it.
        position: u32,
        /// How long it may take, where that can be guessed.
        wait_ms: Option<u32>,
    },
    /// Tell a client how its request ended; the only time for this ticket.
    Finish {
        /// The request.
        ticket: Ticket,
        /// How.
        end: End,
    },
    /// Prepare a worker for a line; answered by [`Event::Sized`] or [`Event::LoadFailed`], and when
    /// it was started by [`Event::Ready`] or [`Event::LoadFailed`].
    Load(LineId),
    /// Prepare a spare for a line, which answers as [`Effect::Load`] does.
    LoadSpare(LineId),
    /// Nobody wants the spare that is being started for a line; answered as before.
    DropSpare(LineId),
    /// The spare of a line serves it from now on.
    Promote {
        /// The line.
        line: LineId,
        /// The worker.
        worker: WorkerId,
    },
    /// The memory for a line's worker is set aside: start it.
    Start(LineId),
    /// The memory for a line's worker cannot be had; answered by [`Event::LoadFailed`].
    NoRoom {
        /// The line.
        line: LineId,
        /// Why, with the numbers.
        refusal: Refusal,
    },
    /// Give a request to a worker; answered by [`Event::JobEnded`], by [`Event::Parked`], or by the
    /// worker's end. One that was parked continues with what it has got.
    Submit {
        /// The worker.
        worker: WorkerId,
        /// The request.
        ticket: Ticket,
        /// Its name there.
        job: JobId,
        /// Its class.
        class: Priority,
    },
    /// Ask a worker to give a job up; answered as [`Effect::Submit`] is.
    Park {
        /// The worker.
        worker: WorkerId,
        /// The job.
        job: JobId,
    },
    /// Nobody waits for this job any more.
    CancelJob {
        /// The worker.
        worker: WorkerId,
        /// The job.
        job: JobId,
    },
    /// Ask a worker, which runs nothing, to end; answered by [`Event::Gone`].
    Stop(WorkerId),
    /// Everything that was accepted has ended.
    Drained,
}
