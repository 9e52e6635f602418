//! The task that writes the socket.

use std::sync::Arc;

use core_wire::{
    client::{ClientFrame, Request},
    frame,
    ids::SessionId,
    limits::CLIENT_FRAME_BYTES_MAX,
};
use interprocess::local_socket::tokio::Stream;
use tokio::{io::AsyncWriteExt, sync::mpsc};

use super::table::Table;
use crate::error::RequestError;

/// Writes frames until the link is dropped or the socket breaks. Requests go first: a cancel that
/// overtook the request that it names would end nothing.
pub(super) async fn run(
    socket: Arc<Stream>,
    mut frames: mpsc::Receiver<Vec<u8>>,
    table: Arc<Table>,
    session: SessionId,
) {
    // Ends with the link, which holds the sender, or with the socket.
    loop {
        let bytes = tokio::select! {
            biased;
            frame = frames.recv() => match frame {
                Some(frame) => frame,
                None => return,
            },
            () = table.cancels.notified() => cancels(&table, session),
        };
        if (&*socket).write_all(&bytes).await.is_err() {
            return table.end(RequestError::Lost);
        }
    }
}

/// The frames of all cancels that wait, in one piece.
fn cancels(table: &Table, session: SessionId) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (id, target) in table.take_cancels() {
        let target = target.into();
        let frame = ClientFrame { session, id, request: Request::Cancel { target } };
        let written = frame::append(&frame, CLIENT_FRAME_BYTES_MAX, &mut bytes);
        written.expect("two ids and a tag are far below the smallest frame limit");
    }
    bytes
}
