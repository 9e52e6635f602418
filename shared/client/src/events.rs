//! What happens to one request.

use std::sync::Arc;

use core_wire::{
    client::{Done, Event},
    ids::RequestId,
    limits::ANSWER_BYTES_MAX,
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    error::{ProtocolError, RequestError},
    link::{Link, table::Table},
};

/// The events of one request, in order.
///
/// They end in exactly one terminal event or one error; only then comes `None`. A broken connection
/// is an error here, never a silent end. Dropping them early cancels a request that generates.
///
/// A reader that sleeps holds up nobody for long: [`crate::limits::WAITING_EVENTS_MAX`] events
/// wait here. When they are full and other requests are open on the connection, those are held up
/// for at most [`crate::limits::STALL_MAX`]; then this request ends with `SLOW_CLIENT`. On its own,
/// it holds back the broker instead, which has its own patience.
#[derive(Debug)]
pub struct Events {
    link: Arc<Link>,
    id: RequestId,
    waiting: mpsc::Receiver<Event>,
    /// Taken once it has been handed out.
    last: Option<oneshot::Receiver<Result<Event, RequestError>>>,
    at_drop: AtDrop,
}

/// What becomes of a request whose events nobody wants any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtDrop {
    /// It is cancelled: it would use the machine for nobody.
    Cancel,
    /// It goes on: its effect is wanted by itself.
    GoOn,
}

impl Events {
    pub(crate) fn new(
        link: Arc<Link>,
        id: RequestId,
        waiting: mpsc::Receiver<Event>,
        last: oneshot::Receiver<Result<Event, RequestError>>,
        at_drop: AtDrop,
    ) -> Self {
        Self { link, id, waiting, last: Some(last), at_drop }
    }

    /// The request's id, for the logs of both sides and for [`crate::Client::cancel`].
    pub fn id(&self) -> &RequestId {
        &self.id
    }

    /// The next event; after the terminal one, or an error, `None`.
    ///
    /// May be dropped while it waits, as in `select!`: no event is lost.
    ///
    /// # Errors
    /// [`RequestError`], once, in the place of the terminal event.
    pub async fn next(&mut self) -> Option<Result<Event, RequestError>> {
        if let Some(event) = self.waiting.recv().await {
            return Some(Ok(event));
        }
        // A link that is gone without a word has lost the connection.
        let last = self.last.as_mut()?.await.unwrap_or(Err(RequestError::Lost));
        self.last = None;
        Some(last)
    }

    /// The terminal event; those before it are dropped.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn finish(mut self) -> Result<Event, RequestError> {
        // Ends with the request: every turn takes one of its events.
        while let Some(event) = self.next().await {
            match event {
                Ok(event) if !event.is_terminal() => {}
                end => return end,
            }
        }
        Err(RequestError::Lost)
    }

    /// All of a generated text, for a caller that does not want to see it grow.
    ///
    /// # Errors
    /// [`RequestError`]; `TooLarge` beyond [`ANSWER_BYTES_MAX`] bytes.
    pub async fn collect(mut self) -> Result<Answer, RequestError> {
        let mut answer = Answer::default();
        // Ends with the request: every turn takes one of its events.
        while let Some(event) = self.next().await {
            match event? {
                Event::Token { id, text, .. } => answer.push(id, &text)?,
                Event::Done(done) => return Ok(Answer { done, ..answer }),
                event if event.is_terminal() => return Err(ProtocolError::WrongEvent.into()),
                _ => {}
            }
        }
        Err(RequestError::Lost)
    }

    /// Asks the broker to end the request; go on with [`Events::next`] until its terminal event,
    /// which is `Done` with `Cancelled` unless it ended by itself in between.
    pub fn cancel(&self) {
        self.link.table().ask_cancel(&self.id);
    }

    /// Something that cancels the request from elsewhere, such as a button or a signal.
    pub fn canceller(&self) -> Canceller {
        Canceller { table: Arc::clone(self.link.table()), id: self.id.clone() }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        if self.last.is_some() {
            self.link.table().abandon(&self.id, self.at_drop);
        }
    }
}

/// Cancels one request; nothing happens when that has ended already.
#[derive(Clone, Debug)]
pub struct Canceller {
    table: Arc<Table>,
    id: RequestId,
}

impl Canceller {
    /// As [`Events::cancel`].
    pub fn cancel(&self) {
        self.table.ask_cancel(&self.id);
    }
}

/// A whole generated answer.
#[derive(Clone, Default, PartialEq)]
pub struct Answer {
    /// The text.
    pub text: String,
    /// The ids of its tokens.
    pub tokens: Vec<u32>,
    /// How it ended, what it used, where its time went.
    pub done: Done,
}

impl Answer {
    fn push(&mut self, id: u32, text: &str) -> Result<(), RequestError> {
        let bytes = self.text.len() + text.len();
        if bytes > ANSWER_BYTES_MAX {
            let what = "the text of an answer";
            let max = ANSWER_BYTES_MAX;
            return Err(RequestError::TooLarge { what, bytes, max });
        }
        self.text.push_str(text);
        self.tokens.push(id);
        Ok(())
    }
}

// An answer is what a model said to somebody; its debug form tells only how it ended.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Answer").field(&self.done).finish()
    }
}
