//! Every open request of a connection, and who listens to it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use core_wire::{
    client::{Event, Request},
    ids::RequestId,
};
use tokio::sync::{Notify, mpsc, oneshot};

use super::{
    answers::Answers,
    entry::{Entry, Listener, duplicate, outcome, slow},
};
use crate::{
    error::{ProtocolError, RequestError},
    events::AtDrop,
    limits::{OPEN_REQUESTS_MAX, WAITING_EVENTS_MAX},
};

/// A request that was registered.
pub(crate) struct Opened {
    pub(crate) id: RequestId,
    pub(crate) waiting: mpsc::Receiver<Event>,
    pub(crate) last: oneshot::Receiver<Result<Event, RequestError>>,
}

/// What the reader has to do with an event that is not terminal.
pub(crate) enum Routed {
    /// Hand it to this listener.
    To(mpsc::Sender<Event>, Event),
    /// Nothing more: it was delivered, or nobody listens.
    Settled,
}

/// The open requests. At most [`OPEN_REQUESTS_MAX`] of callers, and one cancel for each.
#[derive(Default)]
pub(crate) struct Table {
    state: Mutex<State>,
    /// Rung when there are cancels to send.
    pub(crate) cancels: Notify,
}

#[derive(Default)]
struct State {
    open: HashMap<RequestId, Entry>,
    /// Requests to cancel, each at most once, which bounds it.
    cancels: Vec<RequestId>,
    /// Counts up, for ids that the caller leaves to us.
    next_id: u64,
    /// Why the connection is over.
    ended: Option<RequestError>,
}

impl Table {
    /// Registers a request, under a fresh id where the caller leaves it to us.
    pub(crate) fn open(
        &self,
        id: Option<RequestId>,
        request: &Request,
    ) -> Result<Opened, RequestError> {
        let mut state = self.lock();
        if let Some(ended) = &state.ended {
            return Err(ended.clone());
        }
        if state.open.len() >= OPEN_REQUESTS_MAX {
            let max = OPEN_REQUESTS_MAX;
            return Err(RequestError::TooMany { max });
        }
        let id = match id {
            Some(id) if state.open.contains_key(&id) => return Err(duplicate(&id)),
            Some(id) => id,
            None => state.fresh_id(),
        };
        let (events, waiting) = mpsc::channel(WAITING_EVENTS_MAX);
        let (last_sender, last) = oneshot::channel();
        let listener = Listener { events, last: last_sender };
        let entry = Entry::new(Answers::to(request), Some(listener));
        state.open.insert(id.clone(), entry);
        Ok(Opened { id, waiting, last })
    }

    /// Takes back a registration whose request was never sent.
    pub(crate) fn forget(&self, id: &RequestId) {
        self.lock().open.remove(id);
    }

    /// Has a cancel sent for a request, once; nothing when it has ended.
    pub(crate) fn ask_cancel(&self, id: &RequestId) {
        let mut state = self.lock();
        match state.open.get_mut(id) {
            Some(entry) if !entry.cancel_asked => entry.cancel_asked = true,
            _ => return,
        }
        state.cancels.push(id.clone());
        drop(state);
        self.cancels.notify_one();
    }

    /// Stops listening to a request. It stays in the table until its terminal event, since its
    /// events still come.
    pub(crate) fn abandon(&self, id: &RequestId, at_drop: AtDrop) {
        if let Some(entry) = self.lock().open.get_mut(id) {
            entry.listener = None;
        }
        if at_drop == AtDrop::Cancel {
            self.ask_cancel(id);
        }
    }

    /// Takes the requests to cancel, each with the id of the request that does so.
    pub(crate) fn take_cancels(&self) -> Vec<(RequestId, RequestId)> {
        let mut state = self.lock();
        let targets = std::mem::take(&mut state.cancels);
        let named = targets.into_iter().map(|target| {
            let id = state.fresh_id();
            let entry = Entry::new(Answers::Done, None);
            state.open.insert(id.clone(), entry);
            (id, target)
        });
        named.collect()
    }

    /// Delivers a terminal event, or says to whom another one goes.
    pub(crate) fn route(&self, id: &RequestId, event: Event) -> Result<Routed, ProtocolError> {
        let mut state = self.lock();
        let entry = state.open.get(id).ok_or(ProtocolError::UnknownRequest)?;
        if !entry.answers.include(&event) {
            return Err(ProtocolError::WrongEvent);
        }
        if !event.is_terminal() {
            return Ok(match &entry.listener {
                Some(listener) => Routed::To(listener.events.clone(), event),
                None => Routed::Settled,
            });
        }
        // What has ended needs no cancel, and its id may soon name another request.
        state.cancels.retain(|target| target != id);
        if let Some(entry) = state.open.remove(id) {
            entry.finish(outcome(event));
        }
        Ok(Routed::Settled)
    }

    /// Ends a request whose reader sleeps, if that holds up anybody; `false` when it is alone.
    pub(crate) fn end_sleeper(&self, id: &RequestId) -> bool {
        let mut state = self.lock();
        if state.open.len() < 2 {
            return false;
        }
        let listener = state.open.get_mut(id).and_then(|e| e.listener.take());
        drop(state);
        if let Some(listener) = listener {
            listener.finish(Err(slow()));
            self.ask_cancel(id);
        }
        true
    }

    /// Ends everything: each listener hears `error`, or what ended the connection before it.
    pub(crate) fn end(&self, error: RequestError) {
        let mut state = self.lock();
        let error = state.ended.get_or_insert(error).clone();
        state.cancels.clear();
        for (_, entry) in state.open.drain() {
            entry.finish(Err(error.clone()));
        }
    }

    /// Why the connection is over, or `error` when the table has not heard yet.
    pub(crate) fn end_or(&self, error: RequestError) -> RequestError {
        self.lock().ended.clone().unwrap_or(error)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No lock is held while foreign code runs, so a poisoned one is as sound as any.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Table(..)")
    }
}

impl State {
    /// An id that no open request has. Callers may choose such ids too, so it may take some turns,
    /// but never more than there are open requests.
    fn fresh_id(&mut self) -> RequestId {
        loop {
            self.next_id += 1;
            let id = RequestId::try_from(format!("r{}", self.next_id));
            let id = id.expect("a letter and 20 digits are within 1 to 64 bytes");
            if !self.open.contains_key(&id) {
                return id;
            }
        }
    }
}
