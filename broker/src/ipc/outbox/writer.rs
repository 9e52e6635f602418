//! The other end of an outbox: takes what has gathered and writes it.

use std::{future::Future, io};

use interprocess::os::unix::uds_local_socket::tokio::Stream;
use tokio::{io::AsyncWriteExt, time::Instant};

use super::{IDLE_BYTES_MAX, Load, Outbox, State};

/// Where bytes go; the socket, or a test's buffer.
pub(in crate::ipc) trait Sink {
    /// Writes some of `bytes`, at least one.
    fn write_some(&self, bytes: &[u8]) -> impl Future<Output = io::Result<usize>>;
}

impl Sink for Stream {
    async fn write_some(&self, bytes: &[u8]) -> io::Result<usize> {
        match (&mut &*self).write(bytes).await? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            written => Ok(written),
        }
    }
}

impl Outbox {
    /// Writes until the outbox is finished and empty, or given up.
    ///
    /// # Errors
    /// What the socket says, among it that the client is gone.
    pub(in crate::ipc) async fn write_to(&self, sink: &impl Sink) -> io::Result<()> {
        let mut batch = Vec::new();
        while self.next_batch(&mut batch).await {
            self.write_batch(sink, &batch).await?;
            self.0.writing.set(Load::default());
            self.0.written.notify_one();
            self.0.turn.notify_one();
            batch.clear();
            batch.shrink_to(IDLE_BYTES_MAX);
        }
        Ok(())
    }

    /// Waits for frames and swaps them out; false when nothing will come any more.
    async fn next_batch(&self, batch: &mut Vec<u8>) -> bool {
        loop {
            let state = {
                let mut queue = self.0.queue.borrow_mut();
                if !queue.bytes.is_empty() {
                    std::mem::swap(&mut queue.bytes, batch);
                    let frames = std::mem::take(&mut queue.frames);
                    self.0.writing.set(Load { frames, bytes: batch.len() });
                    return true;
                }
                queue.state
            };
            if state != State::Open {
                return false;
            }
            self.0.changed.notified().await;
        }
    }

    /// What was written makes room at once, so a client that reads steadily is never full.
    async fn write_batch(&self, sink: &impl Sink, batch: &[u8]) -> io::Result<()> {
        let mut written = 0;
        while written < batch.len() {
            if self.0.queue.borrow().state == State::Gone {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            written += sink.write_some(&batch[written..]).await?;
            self.0.read.set(Instant::now());
            let frames = self.0.writing.get().frames;
            self.0.writing.set(Load { frames, bytes: batch.len() - written });
        }
        Ok(())
    }
}
