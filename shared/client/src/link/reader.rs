//! The task that reads the socket.

use std::sync::Arc;

use core_wire::{
    client::{Event, ServerFrame},
    frame::{self, FrameError, HEADER_BYTES},
    limits::SERVER_FRAME_BYTES_MAX,
};
use interprocess::local_socket::tokio::Stream;
use tokio::{
    io::{AsyncRead, AsyncReadExt, BufReader},
    sync::mpsc::{Sender, error::TrySendError},
    task::AbortHandle,
    time::timeout,
};

use super::table::{Routed, Table};
use crate::{
    error::{ProtocolError, RequestError},
    limits::{READ_BUFFER_BYTES, STALL_MAX, STREAM_FRAME_BYTES_MAX},
};

/// Reads frames and hands each event to its request until the connection ends; then everybody who
/// still listens is told, and the writer ends too, so that the socket closes.
pub(super) async fn run(socket: Arc<Stream>, table: Arc<Table>, writer: AbortHandle) {
    // Also when the runtime drops this task in the middle: nobody may wait for ever.
    let ending = Ending { table, writer };
    let error = read_all(&*socket, &ending.table).await;
    ending.table.end(error);
}

struct Ending {
    table: Arc<Table>,
    writer: AbortHandle,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.table.end(RequestError::Lost);
        self.writer.abort();
    }
}

async fn read_all(socket: impl AsyncRead + Unpin, table: &Table) -> RequestError {
    let mut socket = BufReader::with_capacity(READ_BUFFER_BYTES, socket);
    let mut body = Vec::new();
    // Ends with the connection: every turn takes a frame from it.
    loop {
        if let Err(error) = read_body(&mut socket, &mut body).await {
            return error;
        }
        if let Err(error) = deliver(&body, table).await {
            return error.into();
        }
        if body.capacity() > READ_BUFFER_BYTES {
            body = Vec::new();
        }
    }
}

/// Reads one frame. Memory is taken as bytes arrive, never by what a header announces.
async fn read_body(
    socket: &mut (impl AsyncRead + Unpin),
    body: &mut Vec<u8>,
) -> Result<(), RequestError> {
    let mut header = [0; HEADER_BYTES];
    let read = socket.read_exact(&mut header).await;
    read.map_err(|_| RequestError::Lost)?;
    let announced = frame::body_length(header, SERVER_FRAME_BYTES_MAX).map_err(violation)?;
    body.clear();
    let read = socket.take(announced as u64).read_to_end(body).await;
    match read {
        Ok(bytes) if bytes == announced => Ok(()),
        Ok(_) | Err(_) => Err(RequestError::Lost),
    }
}

async fn deliver(body: &[u8], table: &Table) -> Result<(), ProtocolError> {
    let ServerFrame { id, event } = frame::read_body(body).map_err(violation)?;
    let bytes = body.len();
    if !event.is_terminal() && bytes > STREAM_FRAME_BYTES_MAX {
        let max = STREAM_FRAME_BYTES_MAX;
        return Err(ProtocolError::Length { bytes, max });
    }
    match table.route(&id, event)? {
        Routed::Settled => {}
        Routed::To(listener, event) => hand_over(&listener, event, || table.end_sleeper(&id)).await,
    }
    Ok(())
}

/// Gives an event to a listener, waiting for room as its documentation promises: without end while
/// nobody else is held up, for at most [`STALL_MAX`] otherwise.
async fn hand_over(listener: &Sender<Event>, event: Event, end_sleeper: impl Fn() -> bool) {
    let event = match listener.try_send(event) {
        // A listener that went away is no concern of the others.
        Ok(()) | Err(TrySendError::Closed(_)) => return,
        Err(TrySendError::Full(event)) => event,
    };
    // Ends when there is room, when the listener goes, or when others would have to wait.
    let room = loop {
        match timeout(STALL_MAX, listener.reserve()).await {
            Ok(room) => break room,
            Err(_) if end_sleeper() => return,
            Err(_) => {}
        }
    };
    if let Ok(room) = room {
        room.send(event);
    }
}

fn violation(error: FrameError) -> ProtocolError {
    match error {
        FrameError::Length { bytes, max } => ProtocolError::Length { bytes, max },
        FrameError::Codec(_) => ProtocolError::Shape,
    }
}
