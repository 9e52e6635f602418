//! The worker's ends of both rings, and a hand that lies in them.

use std::time::Duration;

use core_ring::{Budget, Forged, Forger, JobReceiver, TokenSender, WorkerEnd};
use core_wire::worker::{ToBroker, ToWorker};

use crate::Fallible;

/// How long a full ring is waited for; the broker paces who floods it by 100 ms at a time.
const SPACE_WAIT: Duration = Duration::from_secs(5);

/// Both directions.
pub(crate) struct Link {
    jobs: JobReceiver,
    tokens: TokenSender,
    pub(crate) forger: Forger,
}

impl Link {
    pub(crate) fn new(end: WorkerEnd) -> Self {
        let (jobs, tokens) = end.split();
        let forger = tokens.forger();
        Self { jobs, tokens, forger }
    }

    pub(crate) fn say(&mut self, record: &ToBroker) -> Fallible<()> {
        let (kind, payload) = record.encode()?;
        self.say_bytes(kind, &payload)
    }

    /// A record of any bytes, in lawful form.
    pub(crate) fn say_bytes(&mut self, kind: u8, payload: &[u8]) -> Fallible<()> {
        self.tokens.push_wait_space(kind, payload, SPACE_WAIT)?;
        self.tokens.publish();
        Ok(())
    }

    /// Words behind what was published, and a tail so many bytes further; then the bell.
    pub(crate) fn forge(&self, words: &[u64], further: u64) {
        let tail = self.forger.tail();
        for (position, word) in (tail..).step_by(8).zip(words) {
            self.forger.set(Forged::Data(position), *word);
        }
        self.forger.set(Forged::Tail, tail.wrapping_add(further));
        self.forger.ring();
    }

    /// What came, after a wait of `rest` at most.
    pub(crate) fn hear(&mut self, rest: Duration) -> Fallible<Vec<ToWorker>> {
        let _wake = self.jobs.park(rest)?;
        let mut heard = Vec::new();
        self.jobs
            .poll(Budget::POLL, |kind, payload| heard.push(ToWorker::decode(kind, payload)))?;
        Ok(heard.into_iter().collect::<Result<_, _>>()?)
    }

    /// The first record; whatever comes with it is not expected yet.
    pub(crate) fn hear_one(&mut self, wait: Duration) -> Fallible<ToWorker> {
        let mut heard = self.hear(wait)?;
        if heard.len() == 1 { Ok(heard.remove(0)) } else { Err("no record, or several".into()) }
    }

    pub(crate) fn beat(&mut self) {
        self.tokens.beat();
    }
}
