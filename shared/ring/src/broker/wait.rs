//! Waiting for the bell with tokio. The eventfd is polled, edge-triggered, and never read or
//! written here: the worker shares its open file description and could make either call block.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, unix::AsyncFdReadyMutGuard};
use tokio::task::coop::consume_budget;

use super::tokens::TokenReceiver;
use crate::layout::Control;
use crate::primitive::{AWAKE, Peek, Poke};
use crate::violation::Violation;

/// Wake-ups in a row with nothing in the ring before the worker is given up. An honest worker
/// rings after it published and at most once per park, so at most a late bell or two come empty.
const EMPTY_WAKEUPS_MAX: u32 = 16;

/// The broker's copy of the eventfd, registered with the runtime at the first wait.
#[derive(Debug)]
pub(super) enum Doorbell {
    /// No wait yet, hence no runtime needed yet.
    Held(Option<OwnedFd>),
    /// Registered.
    Watched(AsyncFd<OwnedFd>),
}

impl From<OwnedFd> for Doorbell {
    fn from(fd: OwnedFd) -> Self {
        Self::Held(Some(fd))
    }
}

impl Doorbell {
    /// Waits for an edge and clears it, so that a bell rung during the following drain is seen.
    async fn edge(&mut self) -> io::Result<()> {
        self.watch()?;
        if let Self::Watched(fd) = self {
            let mut guard: AsyncFdReadyMutGuard<'_, OwnedFd> = fd.readable_mut().await?;
            guard.clear_ready();
        }
        Ok(())
    }

    fn watch(&mut self) -> io::Result<()> {
        let Self::Held(held) = self else {
            return Ok(());
        };
        let fd = held.take().ok_or(io::ErrorKind::NotConnected)?;
        // SAFETY: an OwnedFd is an open descriptor, answers the same number until it is dropped,
        // and the AsyncFd owns it from here on.
        let watched = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        *self = Self::Watched(watched.map_err(|error| error.into_parts().1)?);
        Ok(())
    }
}

impl TokenReceiver {
    /// Waits until there is something to [`drain`](Self::drain): records, space that
    /// [`JobSender::want_space`](crate::JobSender::want_space) asked for, or a violation.
    ///
    /// Readiness is cleared before this returns, thus before draining, never after. Dropping the
    /// future loses nothing: the next call looks at the ring first. Must run in a tokio runtime
    /// with I/O enabled.
    ///
    /// # Errors
    /// The bell cannot be registered or polled, or the ring is poisoned and has no bell any more.
    pub async fn readable(&mut self) -> io::Result<()> {
        if self.bell.is_none() {
            return Err(poisoned());
        }
        // A worker that always has something ready must not keep the other tasks from running.
        consume_budget().await;
        while !self.is_due() {
            if self.empty_wakeups == EMPTY_WAKEUPS_MAX {
                // The drain that follows answers it.
                self.refuse(Violation::EmptyWakeups { count: EMPTY_WAKEUPS_MAX });
                return Ok(());
            }
            let bell = self.bell.as_mut().ok_or_else(poisoned)?;
            bell.edge().await?;
            self.pace.woke();
            self.empty_wakeups += 1;
        }
        self.ring.disarm();
        self.empty_wakeups = 0;
        Ok(())
    }

    /// Announces the sleep, then looks at everything that would make it pointless. Space is told
    /// by a return of its own, after the tokens that came with it.
    fn is_due(&mut self) -> bool {
        !self.ring.arm() || self.space_came()
    }

    /// True once per armed request for space: the bell was rung for the job ring.
    fn space_came(&self) -> bool {
        let wanted = self.ring.own().control(Control::SpaceWake);
        let head = self.ring.peer().control(Control::Head);
        let came = wanted != AWAKE && head > wanted;
        if came {
            self.ring.own().set(Control::SpaceWake, AWAKE);
        }
        came
    }
}

fn poisoned() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the ring is poisoned: kill the worker")
}
