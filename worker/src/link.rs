//! The worker's ends of both rings, as messages.

use std::time::{Duration, Instant};

use core_ring::{Budget, JobReceiver, PushError, TokenSender, Wake, WorkerEnd};
use core_wire::worker::{ToBroker, ToWorker};

use crate::fault::Fault;

/// How long a full ring W is waited for. The broker drains it always, within milliseconds; one that
/// does not is gone or stuck, and then nobody needs this process.
const SPACE_WAIT: Duration = Duration::from_secs(10);

/// Records taken from ring B between two steps: a slot's worth of jobs with their first fragments,
/// few enough that a running sequence does not notice.
const TURN: Budget = Budget { records: 64, bytes: 1 << 20 };

/// One record, for the boot: what follows it is for later.
const ONE: Budget = Budget { records: 1, bytes: 1 };

/// Whether a record went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It did, or will with the next publication.
    Yes,
    /// Ring W is full; try again after a step.
    NoSpace,
}

/// Both directions, and one buffer for all payloads.
pub(crate) struct Link {
    jobs: JobReceiver,
    tokens: TokenSender,
    payload: Vec<u8>,
}

impl Link {
    /// Takes the mapped rings.
    pub(crate) fn new(end: WorkerEnd) -> Self {
        let (jobs, tokens) = end.split();
        Self { jobs, tokens, payload: Vec::new() }
    }

    /// Writes a record and shows it to the broker, waiting for space where there is none.
    ///
    /// # Errors
    /// [`Fault`]: the broker made no space in time, or the record cannot be written at all.
    pub(crate) fn say(&mut self, record: &ToBroker) -> Result<(), Fault> {
        let kind = self.encode(record)?;
        self.tokens.push_wait_space(kind, &self.payload, SPACE_WAIT)?;
        self.tokens.publish();
        Ok(())
    }

    /// As [`Self::say`], but never waits.
    ///
    /// # Errors
    /// [`Fault`]: the record cannot be written at all.
    pub(crate) fn try_say(&mut self, record: &ToBroker) -> Result<Sent, Fault> {
        let kind = self.encode(record)?;
        match self.tokens.push(kind, &self.payload) {
            Ok(()) => {
                self.tokens.publish();
                Ok(Sent::Yes)
            }
            Err(PushError::Full { .. }) => Ok(Sent::NoSpace),
            Err(error) => Err(error.into()),
        }
    }

    /// Appends the records that came to `heard`, at most a turn's worth, without waiting.
    ///
    /// # Errors
    /// [`Fault`]: the ring or a record in it is broken.
    pub(crate) fn hear(&mut self, heard: &mut Vec<ToWorker>) -> Result<(), Fault> {
        self.poll(TURN, heard)
    }

    /// Waits for one record and takes no other; `None` when `timeout` has passed.
    ///
    /// # Errors
    /// [`Fault`]: the ring or the record is broken.
    pub(crate) fn hear_one(&mut self, timeout: Duration) -> Result<Option<ToWorker>, Fault> {
        let began = Instant::now();
        let mut heard = Vec::new();
        loop {
            self.poll(ONE, &mut heard)?;
            let left = timeout.saturating_sub(began.elapsed());
            if !heard.is_empty() || left.is_zero() {
                return Ok(heard.pop());
            }
            // Ready or not, the next look tells; the loop ends with the timeout.
            let _wake = self.rest(left)?;
        }
    }

    fn poll(&mut self, budget: Budget, heard: &mut Vec<ToWorker>) -> Result<(), Fault> {
        let mut bad = None;
        self.jobs.poll(budget, |kind, payload| match ToWorker::decode(kind, payload) {
            Ok(record) => heard.push(record),
            Err(error) => bad = bad.take().or(Some(error)),
        })?;
        match bad {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// Sleeps until a record comes, for `timeout` at most; one futex call and no wake-up before.
    ///
    /// # Errors
    /// [`Fault::Park`].
    pub(crate) fn rest(&mut self, timeout: Duration) -> Result<Wake, Fault> {
        Ok(self.jobs.park(timeout)?)
    }

    /// Tells the broker that the process is alive; one store.
    pub(crate) fn beat(&mut self) {
        self.tokens.beat();
    }

    fn encode(&mut self, record: &ToBroker) -> Result<u8, Fault> {
        self.payload.clear();
        Ok(record.encode_into(&mut self.payload)?)
    }
}
