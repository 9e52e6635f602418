//! One connection: who waits for what, and the two tasks that move frames.
//!
//! * [`table`] knows every open request and who listens to it; [`answers`] what may answer it.
//! * [`reader`] alone reads the socket, and hands each event to the request that it names.
//! * [`writer`] alone writes it, so that a caller that stops waiting never leaves half a frame.
//!
//! When either task ends the table tells everybody who still listens, exactly once.

mod answers;
mod entry;
mod reader;
pub(crate) mod table;
#[cfg(test)]
mod tests;
mod writer;

use std::{fmt, sync::Arc};

use core_wire::{
    client::{ClientFrame, Request},
    frame::{self, FrameError},
    ids::{RequestId, SessionId},
};
use tokio::{sync::mpsc, task::AbortHandle};

use self::table::{Opened, Table};
use crate::{
    connect,
    error::RequestError,
    events::{AtDrop, Events},
    limits::OUTGOING_FRAMES_MAX,
};

/// An authenticated connection; closed when its last user drops it.
pub(crate) struct Link {
    table: Arc<Table>,
    session: SessionId,
    frame_bytes_max: usize,
    frames: mpsc::Sender<Vec<u8>>,
    tasks: [AbortHandle; 2],
}

impl Link {
    /// Starts the two tasks on the current tokio runtime.
    pub(crate) fn start(opened: connect::Opened, frame_bytes_max: usize) -> Arc<Self> {
        let session = opened.session;
        let table = Arc::new(Table::default());
        let (frames, outgoing) = mpsc::channel(OUTGOING_FRAMES_MAX);
        let socket = Arc::new(opened.stream);
        let writing = writer::run(Arc::clone(&socket), outgoing, Arc::clone(&table), session);
        let writer = tokio::spawn(writing);
        let reading = reader::run(socket, Arc::clone(&table), writer.abort_handle());
        let reader = tokio::spawn(reading);
        Arc::new(Self {
            table,
            session,
            frame_bytes_max,
            frames,
            tasks: [reader.abort_handle(), writer.abort_handle()],
        })
    }

    pub(crate) fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Sends a request, and gives what will happen to it. Nothing is registered before there is
    /// room to send, and nothing waits after it: a caller that is dropped here leaves no trace.
    pub(crate) async fn open(
        self: &Arc<Self>,
        id: Option<RequestId>,
        request: Request,
        at_drop: AtDrop,
    ) -> Result<Events, RequestError> {
        let room = self.frames.reserve().await;
        let room = room.map_err(|_| self.table.end_or(RequestError::Lost))?;
        let Opened { id, waiting, last } = self.table.open(id, &request)?;
        match self.encode(&id, request) {
            Ok(frame) => room.send(frame),
            Err(error) => {
                self.table.forget(&id);
                return Err(error);
            }
        }
        Ok(Events::new(Arc::clone(self), id, waiting, last, at_drop))
    }

    fn encode(&self, id: &RequestId, request: Request) -> Result<Vec<u8>, RequestError> {
        let frame = ClientFrame { session: self.session, id: id.clone(), request };
        let mut bytes = Vec::new();
        let max = self.frame_bytes_max;
        match frame::append(&frame, max, &mut bytes) {
            Ok(_) => Ok(bytes),
            Err(FrameError::Length { bytes, max }) => Err(too_large(bytes, max)),
            Err(FrameError::Codec(_)) => Err(too_large(usize::MAX, max)),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link(..)")
    }
}

fn too_large(bytes: usize, max: usize) -> RequestError {
    RequestError::TooLarge { what: "the request", bytes, max }
}
