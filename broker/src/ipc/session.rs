//! One authenticated connection: frames in, events out, until either side is done.

use std::{io, rc::Rc, time::Duration};

use core_wire::{
    client::{ClientFrame, Event},
    frame::{self, HEADER_BYTES},
    ids::SessionId,
};
use interprocess::os::unix::uds_local_socket::tokio::Stream;
use thiserror::Error;
use tokio::{
    io::{AsyncBufRead, AsyncReadExt, BufReader},
    sync::mpsc,
    time::{Instant, timeout},
};

use super::{
    ConnId, FromClient, Outbox,
    complaints::Complaints,
    handler::{self, Violation},
};

/// Bytes that are read ahead: many small requests, or the start of a long one.
const READ_AHEAD_BYTES: usize = 4 << 10;
/// Capacity that a buffer for bodies keeps between frames.
const IDLE_BODY_BYTES: usize = 16 << 10;
/// How long the last frame before closing may take to leave: the client is not waited for longer
/// than the handshake waits for one.
const FAREWELL: Duration = Duration::from_secs(2);

/// A session that is about to begin.
pub(super) struct Session {
    /// Its connection's number.
    pub(super) conn: ConnId,
    /// The id that each of its frames must carry.
    pub(super) id: SessionId,
    /// The user at the other end.
    pub(super) peer_uid: u32,
    /// Its events.
    pub(super) outbox: Outbox,
    /// Bytes of a frame at most.
    pub(super) frame_bytes_max: usize,
    /// Where its violations are counted.
    pub(super) complaints: Rc<Complaints>,
    /// The run loop.
    pub(super) runtime: mpsc::Sender<FromClient>,
}

/// Why reading ended.
#[derive(Debug, Error)]
enum ReadEnd {
    /// The peer closed between two frames.
    #[error("the client closed")]
    Closed,
    /// The socket failed, or the peer closed within a frame.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The announced length is not allowed.
    #[error("{0}")]
    Length(#[from] frame::FrameError),
    /// A frame broke the protocol.
    #[error("{0}")]
    Violation(#[from] Violation),
    /// The run loop is over.
    #[error("the broker ends")]
    Ending,
}

impl Session {
    /// Runs the session to its end; whatever the end is, the run loop hears of it once.
    pub(super) async fn run(self, stream: Stream) {
        let Self { conn, peer_uid, .. } = self;
        let opened = FromClient::Opened { conn, peer_uid, outbox: self.outbox.clone() };
        if self.runtime.send(opened).await.is_err() {
            return;
        }
        self.talk(stream).await;
        self.outbox.abandon();
        // An error means that the run loop is over and needs no word any more.
        let _ = self.runtime.send(FromClient::Closed { conn }).await;
    }

    /// Both directions, until one of them is over; then the connection is closed.
    async fn talk(&self, stream: Stream) {
        // The writer outlives the reader: what it has begun to write must not be cut off.
        let writing = self.outbox.write_to(&stream);
        tokio::pin!(writing);
        tokio::select! {
            end = self.read(&stream) => {
                if self.has_last_words(&end) {
                    let _ = timeout(FAREWELL, &mut writing).await;
                }
            }
            _ = &mut writing => {}
        }
    }

    async fn read(&self, stream: &Stream) -> ReadEnd {
        let mut input = BufReader::with_capacity(READ_AHEAD_BYTES, stream);
        let mut body = Vec::new();
        loop {
            self.outbox.half_empty().await;
            if let Err(end) = self.read_one(&mut input, &mut body).await {
                return end;
            }
            body.clear();
            body.shrink_to(IDLE_BODY_BYTES);
        }
    }

    async fn read_one<R>(&self, input: &mut R, body: &mut Vec<u8>) -> Result<(), ReadEnd>
    where
        R: AsyncBufRead + Unpin,
    {
        let mut header = [0; HEADER_BYTES];
        if input.read(&mut header[..1]).await? == 0 {
            return Err(ReadEnd::Closed);
        }
        input.read_exact(&mut header[1..]).await?;
        let length = frame::body_length(header, self.frame_bytes_max)?;
        read_body(input, length, body).await?;
        let ClientFrame { id, request, .. } = handler::read(body, self.id)?;
        let message = FromClient::Request { conn: self.conn, id, request };
        self.runtime.send(message).await.map_err(|_| ReadEnd::Ending)
    }

    /// A client that went away is owed nothing; one that broke the protocol is told for which
    /// request, as far as that is known; one whose broker ends gets what is queued for it.
    fn has_last_words(&self, end: &ReadEnd) -> bool {
        match end {
            ReadEnd::Closed | ReadEnd::Io(_) => return false,
            ReadEnd::Ending => {}
            ReadEnd::Length(_) => {
                self.log_violation(end);
                return false;
            }
            ReadEnd::Violation(violation) => {
                self.log_violation(end);
                let Some((id, refusal)) = violation.farewell() else {
                    return false;
                };
                if self.outbox.send(id, &Event::Error(refusal)).is_err() {
                    return false;
                }
            }
        }
        self.outbox.finish();
        true
    }

    fn log_violation(&self, end: &ReadEnd) {
        self.complaints.note(Instant::now(), || {
            tracing::warn!(conn = self.conn.0, uid = self.peer_uid, %end, "connection closed");
        });
    }
}

/// The buffer grows as bytes arrive and not by the announced length, so that announcing much costs
/// the announcer as much as the broker.
async fn read_body<R>(input: &mut R, length: usize, body: &mut Vec<u8>) -> io::Result<()>
where
    R: AsyncBufRead + Unpin,
{
    let wanted = u64::try_from(length).unwrap_or(u64::MAX);
    match input.take(wanted).read_to_end(body).await? {
        read if read == length => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
