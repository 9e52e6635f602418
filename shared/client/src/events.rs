//! What happens to one request.

use std::sync::Arc;

use core_wire::{
    client::{Choice, Done, Event, Request},
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

impl AtDrop {
    pub(crate) fn of(request: &Request) -> Self {
        match request {
            Request::Generate(_) | Request::Embed { .. } | Request::Attach { .. } => Self::Cancel,
            _ => Self::GoOn,
        }
    }
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

    /// All of a generated text, for a caller that does not want to see it grow; the first one where
    /// several were asked for.
    ///
    /// # Errors
    /// [`RequestError`]; `TooLarge` beyond [`ANSWER_BYTES_MAX`] bytes.
    pub async fn collect(self) -> Result<Answer, RequestError> {
        let (mut completions, done) = self.collect_all().await?;
        let first = match completions.is_empty() {
            true => Completion::default(),
            false => completions.swap_remove(0),
        };
        Ok(Answer { text: first.text, tokens: first.tokens, done })
    }

    /// All completions of a request, in the order of their index, and its end.
    ///
    /// # Errors
    /// [`RequestError`]; `TooLarge` when all texts together have more than [`ANSWER_BYTES_MAX`]
    /// bytes.
    pub async fn collect_all(mut self) -> Result<(Vec<Completion>, Done), RequestError> {
        let mut collected = Collected::default();
        // Ends with the request: every turn takes one of its events.
        while let Some(event) = self.next().await {
            match event? {
                Event::Token { id, text, choice, .. } => collected.push(choice, id, &text)?,
                Event::Choice(end) => collected.at(end.index).end = Some(end),
                Event::Done(done) => return Ok((collected.completions, done)),
                event if event.is_terminal() => return Err(ProtocolError::WrongEvent.into()),
                _ => {}
            }
        }
        Err(RequestError::Lost)
    }

    /// Lets the request go on when nobody wants its events here any more.
    pub(crate) fn outlive(&mut self) {
        self.at_drop = AtDrop::GoOn;
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

/// One of several completions of a prompt.
#[derive(Clone, Default, PartialEq)]
pub struct Completion {
    /// The text.
    pub text: String,
    /// The ids of its tokens.
    pub tokens: Vec<u32>,
    /// How it ended and what it used; absent when only one was asked for, since the request's own
    /// end says the same.
    pub end: Option<Choice>,
}

/// Completions that grow.
#[derive(Default)]
struct Collected {
    completions: Vec<Completion>,
    bytes: usize,
}

impl Collected {
    fn push(&mut self, choice: u32, id: u32, text: &str) -> Result<(), RequestError> {
        self.bytes += text.len();
        if self.bytes > ANSWER_BYTES_MAX {
            let what = "the text of an answer";
            let (bytes, max) = (self.bytes, ANSWER_BYTES_MAX);
            return Err(RequestError::TooLarge { what, bytes, max });
        }
        let completion = self.at(choice);
        completion.text.push_str(text);
        completion.tokens.push(id);
        Ok(())
    }

    /// A completion by its index, which is below the number that was asked for: others never get
    /// past the link.
    fn at(&mut self, index: u32) -> &mut Completion {
        let index = index as usize;
        if self.completions.len() <= index {
            self.completions.resize_with(index + 1, Completion::default);
        }
        &mut self.completions[index]
    }
}

// An answer is what a model said to somebody; its debug form tells only how it ended.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Answer").field(&self.done).finish()
    }
}

impl std::fmt::Debug for Completion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Completion").field(&self.end).finish()
    }
}
