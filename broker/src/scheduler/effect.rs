//! What the scheduler answers: what has to be done.

use core_wire::{
    client::{FinishReason, Priority},
    code::Refusal,
    ids::JobId,
};

use super::{LineId, Ticket, WorkerId};

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
    /// Prepare a worker for a line; answered by `Event::Sized` or `Event::LoadFailed`, and when
    /// it was started by [`super::Event::Ready`] or [`super::Event::LoadFailed`].
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
    /// The memory for a line's worker cannot be had; answered by [`super::Event::LoadFailed`].
    NoRoom {
        /// The line.
        line: LineId,
        /// Why, with the numbers.
        refusal: Refusal,
    },
    /// Give a request to a worker; answered by `Event::JobEnded`, by `Event::Parked`, or by the
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
    /// Ask a worker, which runs nothing, to end; answered by [`super::Event::Gone`].
    Stop(WorkerId),
    /// The line's worker takes nothing new, and ends when it runs nothing any more.
    Draining(LineId),
    /// A model is served from another file from now on: what comes is for `to`.
    Swapped {
        /// The line of the old file; what it has accepted ends there.
        from: LineId,
        /// The line of the new one, whose worker is ready.
        to: LineId,
    },
    /// A swap came to nothing: this line, which was to be served next, is not.
    Kept(LineId),
    /// Nothing of this line, whose file was swapped for another, is left.
    Retired(LineId),
    /// Everything that was accepted has ended.
    Drained,
}
