//! Attempts that fail after others of the same user are held back; nobody else is.
//!
//! The token cannot be guessed, so this only keeps a user from spending the broker's time on
//! attempts. It is the failure that waits and not the next answer, because the same user may also
//! run a client that is right: held back among a flood it would never get in.

#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;

/// Users that are remembered; a machine on which more than this fail at once has other problems,
/// and then the one that failed longest ago is forgotten.
const USERS_MAX: usize = 64;
/// The wait after the first failure; it doubles with each further one.
const WAIT_MS: u64 = 1;
/// Doublings: 32 ms is the longest wait, at most 500 attempts a second from sixteen connections.
const DOUBLINGS_MAX: u32 = 5;
/// A user that did not fail for this long starts from nothing again.
const FORGET: Duration = Duration::from_secs(10);

/// One user's failures.
#[derive(Debug)]
struct Record {
    uid: u32,
    failures: u32,
    last: Instant,
}

/// Failures by user, bounded.
#[derive(Debug, Default)]
pub(super) struct Penalties(Vec<Record>);

impl Penalties {
    /// How long this user's next failure is held back.
    pub(super) fn wait(&mut self, uid: u32, now: Instant) -> Duration {
        self.0.retain(|record| now.saturating_duration_since(record.last) < FORGET);
        let failures = self.0.iter().find(|record| record.uid == uid).map(|r| r.failures);
        match failures {
            None | Some(0) => Duration::ZERO,
            Some(n) => Duration::from_millis(WAIT_MS << (n - 1).min(DOUBLINGS_MAX)),
        }
    }

    /// Notes a failure; the first, second, fourth and so on are logged.
    pub(super) fn failed(&mut self, uid: u32, now: Instant) {
        let failures = match self.0.iter_mut().find(|record| record.uid == uid) {
            Some(record) => {
                record.failures = record.failures.saturating_add(1);
                record.last = now;
                record.failures
            }
            None => self.remember(uid, now),
        };
        if failures.is_power_of_two() {
            tracing::warn!(uid, failures, "a connection did not prove that it holds the token");
        }
    }

    /// Forgets a user that has proved itself.
    pub(super) fn forgive(&mut self, uid: u32) {
        self.0.retain(|record| record.uid != uid);
    }

    fn remember(&mut self, uid: u32, now: Instant) -> u32 {
        let oldest = self.0.iter().enumerate().min_by_key(|(_, record)| record.last);
        if let (true, Some((at, _))) = (self.0.len() >= USERS_MAX, oldest) {
            self.0.swap_remove(at);
        }
        self.0.push(Record { uid, failures: 1, last: now });
        1
    }
}
