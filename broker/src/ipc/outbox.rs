//! What waits for one client: encoded frames in one buffer, bounded in frames and in bytes.
//!
//! An event is encoded when it is sent, so a slow client costs its bytes and no objects. The writer
//! takes everything that has gathered since its last write, so tokens of one engine step for many
//! requests of one client leave in one write.
//!
//! A small reserve beyond the bounds is for terminal events: when a token was refused as
//! [`OutboxError::Full`], the `SLOW_CLIENT` that ends its request still fits. When not even that
//! fits, the client reads nothing at all and its connection is closed.

#[cfg(test)]
mod tests;
mod writer;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use core_wire::{client::Event, frame, ids::RequestId, limits::SERVER_FRAME_BYTES_MAX};
use serde::Serialize;
use thiserror::Error;
use tokio::{sync::Notify, time::Instant};

use crate::config::OutboxConfig;

/// Frames beyond the bound that terminal events may use: one for each request of a busy session.
const RESERVE_FRAMES: usize = 256;
/// Bytes beyond the bound that terminal events may use: as many refusals of 256 bytes.
const RESERVE_BYTES: usize = 64 << 10;
/// Capacity that an empty buffer keeps; a larger one is given back after a burst.
const IDLE_BYTES_MAX: usize = 64 << 10;

/// Why an event was not taken.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OutboxError {
    /// The client reads too slowly; an event that is not terminal found no room.
    #[error("the client's outbox is full")]
    Full,
    /// The connection is over, or ends now because not even a terminal event found room.
    #[error("the client's connection is over")]
    Gone,
}

/// The sending end of a client's frames.
#[derive(Clone, Debug)]
pub struct Outbox(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    frames_max: usize,
    bytes_max: usize,
    queue: RefCell<Queue>,
    writing: Cell<Load>,
    changed: Notify,
    written: Notify,
    turn: Notify,
    /// When the client last took something.
    read: Cell<Instant>,
}

/// Frames and bytes that are on their way.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    frames: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    frames: usize,
    state: State,
}

/// Whether more may come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Events are taken.
    #[default]
    Open,
    /// What is queued is written, then the connection is closed.
    Finishing,
    /// Nothing is written any more.
    Gone,
}

/// A [`core_wire::client::ServerFrame`] without copies.
#[derive(Serialize)]
struct Frame<'a> {
    id: &'a RequestId,
    event: &'a Event,
}

impl Outbox {
    pub(crate) fn new(config: OutboxConfig) -> Self {
        let bound = |value| usize::try_from(value).unwrap_or(usize::MAX);
        Self(Rc::new(Shared {
            frames_max: bound(config.frames_max),
            bytes_max: bound(config.bytes_max),
            queue: RefCell::default(),
            writing: Cell::default(),
            changed: Notify::new(),
            written: Notify::new(),
            turn: Notify::new(),
            read: Cell::new(Instant::now()),
        }))
    }

    /// Queues an event for the client; it is encoded before this returns.
    ///
    /// One frame of any size is taken when nothing else waits, so a bound on bytes below the size
    /// of an answer delays nothing but its neighbours. A place in the queue, and how far a
    /// load has come, are left out while more than half of the room is taken: another one follows
    /// when it changes, and it must not cost a slow reader its tokens.
    ///
    /// # Errors
    /// [`OutboxError::Full`] for an event that is not terminal, and the connection lives on;
    /// [`OutboxError::Gone`] otherwise.
    pub fn send(&self, id: &RequestId, event: &Event) -> Result<(), OutboxError> {
        if matches!(event, Event::Queued { .. } | Event::Progress { .. })
            && self.is_fuller_than_half()
        {
            return Ok(());
        }
        let mut queue = self.0.queue.borrow_mut();
        if queue.state != State::Open {
            return Err(OutboxError::Gone);
        }
        let terminal = event.is_terminal();
        let taken = self.append(&mut queue, &Frame { id, event }, terminal);
        if !taken && terminal {
            queue.give_up();
        }
        self.0.changed.notify_one();
        match (taken, terminal) {
            (true, _) => Ok(()),
            (false, false) => Err(OutboxError::Full),
            (false, true) => Err(OutboxError::Gone),
        }
    }

    /// Waits until half of the outbox is empty. A client that asks faster than it reads the answers
    /// is not read any further until then: its own socket fills, and its answers always find room.
    /// One task of the connection waits here.
    pub(super) async fn half_empty(&self) {
        while self.is_fuller_than_half() {
            self.0.written.notified().await;
        }
    }

    /// Waits for a turn to send more: after each write one of those who wait has it, who has waited
    /// longest, and all once the connection is over. Who finds no room in its turn waits again.
    pub(crate) async fn turn(&self) {
        self.0.turn.notified().await;
    }

    /// How long the client has taken nothing.
    pub(crate) fn unread(&self) -> Duration {
        self.0.read.get().elapsed()
    }

    /// Whether more than half of the room is taken; never once the connection is over.
    pub(crate) fn is_fuller_than_half(&self) -> bool {
        let (queue, writing) = (self.0.queue.borrow(), self.0.writing.get());
        let frames = 2 * (queue.frames + writing.frames) > self.0.frames_max;
        let bytes = 2 * (queue.bytes.len() + writing.bytes) > self.0.bytes_max;
        queue.state == State::Open && (frames || bytes)
    }

    /// Writes what is queued, then closes the connection; later events are refused as gone.
    pub fn finish(&self) {
        let mut queue = self.0.queue.borrow_mut();
        if queue.state == State::Open {
            queue.state = State::Finishing;
        }
        self.0.changed.notify_one();
        self.0.turn.notify_waiters();
    }

    /// Closes without writing what is queued.
    pub(super) fn abandon(&self) {
        self.0.queue.borrow_mut().give_up();
        self.0.changed.notify_one();
        self.0.turn.notify_waiters();
    }

    fn append(&self, queue: &mut Queue, frame: &Frame<'_>, terminal: bool) -> bool {
        let writing = self.0.writing.get();
        let (more_frames, more_bytes) =
            if terminal { (RESERVE_FRAMES, RESERVE_BYTES) } else { (0, 0) };
        if queue.frames + writing.frames >= self.0.frames_max + more_frames {
            return false;
        }
        let before = queue.bytes.len();
        if frame::append(frame, SERVER_FRAME_BYTES_MAX, &mut queue.bytes).is_err() {
            return false;
        }
        let alone = before + writing.bytes == 0;
        if !alone && queue.bytes.len() + writing.bytes > self.0.bytes_max + more_bytes {
            queue.bytes.truncate(before);
            return false;
        }
        queue.frames += 1;
        true
    }
}

impl Queue {
    fn give_up(&mut self) {
        *self = Self { state: State::Gone, ..Self::default() };
    }
}
