//! Jobs from the broker.

use std::io;
use std::time::{Duration, Instant};

use super::{Eventfd, io_error};
use crate::futex;
use crate::layout::Layout;
use crate::memory::{Own, Peer};
use crate::primitive::Hardware;
use crate::ring::{Budget, Consumer, Drained};
use crate::violation::Violation;

/// How long to look before sleeping: a futex wake-up costs 18 to 35 microseconds, so spinning
/// longer than that gains nothing.
const SPIN: Duration = Duration::from_micros(30);

/// With two processors or fewer the spinning worker would take the broker's.
const SPIN_CPUS_MIN: usize = 3;

/// Looks between two glances at the clock.
const SPIN_LOOKS: u32 = 64;

/// Why [`JobReceiver::park`] returned.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Records are there.
    Ready,
    /// The timeout passed, or the bell rang for something else.
    Idle,
}

/// Reads B.
#[derive(Debug)]
pub struct JobReceiver {
    ring: Consumer<Own, Peer, Hardware>,
    bell: Eventfd,
    spin: Duration,
}

impl JobReceiver {
    pub(super) fn new(own: Own, peer: Peer, layout: &Layout, bell: Eventfd) -> Self {
        // Asked once, here: the last filter denies sched_getaffinity.
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let spin = if cpus >= SPIN_CPUS_MIN { SPIN } else { Duration::ZERO };
        Self { ring: Consumer::new(own, peer, layout.jobs()), bell, spin }
    }

    /// Hands published records to `f`, in order, up to the budget; never blocks. An empty ring
    /// costs one load.
    ///
    /// # Errors
    /// The broker broke the ring, which only a broken build can do: end the process.
    pub fn poll(&mut self, budget: Budget, f: impl FnMut(u8, &[u8])) -> Result<Drained, Violation> {
        let (drained, bell) = self.ring.drain(budget, f)?;
        self.bell.settle(bell);
        Ok(drained)
    }

    /// Sleeps until a job comes or `timeout` has passed; one futex call at most.
    ///
    /// # Errors
    /// futex(2) failed, which a sound mapping rules out.
    pub fn park(&mut self, timeout: Duration) -> io::Result<Wake> {
        if self.spins_into_work(timeout) {
            return Ok(Wake::Ready);
        }
        // Read before the announcement: a bell after it then differs and the call returns.
        let seen = futex::value(self.ring.peer());
        if !self.ring.arm() {
            return Ok(Wake::Ready);
        }
        let slept = futex::wait(self.ring.peer(), seen, timeout);
        self.ring.disarm();
        slept.map_err(io_error)?;
        Ok(if self.ring.is_pending() { Wake::Ready } else { Wake::Idle })
    }

    fn spins_into_work(&mut self, timeout: Duration) -> bool {
        let limit = self.spin.min(timeout);
        if limit.is_zero() {
            return self.ring.is_pending();
        }
        let began = Instant::now();
        loop {
            for _ in 0..SPIN_LOOKS {
                if self.ring.is_pending() {
                    return true;
                }
                std::hint::spin_loop();
            }
            if began.elapsed() >= limit {
                return false;
            }
        }
    }
}
