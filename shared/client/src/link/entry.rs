//! One open request and its listener.

use core_wire::{
    client::Event,
    code::{Code, Refusal},
    ids::RequestId,
};
use tokio::sync::{mpsc, oneshot};

use super::answers::Answers;
use crate::{
    error::RequestError,
    limits::{STALL_MAX, WAITING_EVENTS_MAX},
};

/// One open request.
pub(super) struct Entry {
    pub(super) answers: Answers,
    /// `None` when nobody wants its events any more.
    pub(super) listener: Option<Listener>,
    pub(super) cancel_asked: bool,
}

/// Where a request's events go.
pub(super) struct Listener {
    pub(super) events: mpsc::Sender<Event>,
    pub(super) last: oneshot::Sender<Result<Event, RequestError>>,
}

impl Entry {
    pub(super) fn new(answers: Answers, listener: Option<Listener>) -> Self {
        Self { answers, listener, cancel_asked: false }
    }

    pub(super) fn finish(self, outcome: Result<Event, RequestError>) {
        if let Some(listener) = self.listener {
            listener.finish(outcome);
        }
    }
}

impl Listener {
    /// The channel of events closes with this, so the outcome is the last that is read.
    pub(super) fn finish(self, outcome: Result<Event, RequestError>) {
        // Nobody may be there any more to hear it.
        let _unheard = self.last.send(outcome);
    }
}

/// What a terminal event means for the listener.
pub(super) fn outcome(event: Event) -> Result<Event, RequestError> {
    match event {
        Event::Error(refusal) => Err(RequestError::Refused(refusal)),
        other => Ok(other),
    }
}

/// Says what the broker would say; it cannot be asked, since its answer would end the other one.
pub(super) fn duplicate(id: &RequestId) -> RequestError {
    let id = id.as_str();
    let message = format!("the request id {id:?} is open on this connection; choose another");
    Refusal::new(Code::DuplicateRequest, message).into()
}

/// Why a request whose reader sleeps ends.
pub(super) fn slow() -> RequestError {
    let message = format!(
        "{WAITING_EVENTS_MAX} events waited unread while other requests were held up for {} ms; \
         read faster, or use a connection for each stream",
        STALL_MAX.as_millis()
    );
    Refusal::new(Code::SlowClient, message).into()
}
