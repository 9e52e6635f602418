//! What the core knows of one worker process.

mod alive;
mod memory;
mod progress;
#[cfg(test)]
mod tests;
mod time;

use std::{collections::BTreeSet, rc::Rc, time::Duration};

use core_policy::verify::Expect;
use core_wire::client::status::TokenCounts;
use core_wire::ids::DomainId;
use core_wire::worker::{Inspected, KvType, ModelFacts, Ready, ToWorker};
use tokio::{sync::Notify, time::Instant};

pub(super) use self::progress::Progress;
use super::{cores::Cores, live::Listener, spare::Post};
use crate::{
    memory::{gpu, pool::Grant, watch::OomKills},
    models::{files::Files, hash::Digest},
    report::{Seen, Verified},
    scheduler::{LineId, Part},
    workers::{
        feed::Feed,
        link::{Breach, Ledger},
        recover::Verdict,
    },
};

/// How long a worker that was asked to end may take; it runs nothing and leaves by `_exit`.
pub(super) const STOP_WITHIN: Duration = Duration::from_secs(5);

/// A worker process.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) pid: u32,
    /// What it is for; `None` for a throwaway worker that serves nobody.
    pub(super) line: Option<LineId>,
    /// The files that it was given, to look at them again.
    pub(super) files: Files,
    /// Whether they are being read again.
    pub(super) rereads: bool,
    /// Its READY, while its files have to be read again before it may serve.
    pub(super) held: Option<Box<Ready>>,
    /// How it stores keys and values.
    pub(super) kv: KvType,
    /// What it may use.
    pub(super) grant: Grant,
    /// What it was granted of GPUs.
    pub(super) gpu: Option<gpu::Grant>,
    /// When its memory was last looked at.
    pub(super) memory_at: Instant,
    /// How many processes the kernel had ended for lack of memory then.
    pub(super) oom_kills: OomKills,
    /// SHA-256 of its file: grammars are compiled for that, and remembered by it.
    pub(super) digest: Option<Digest>,
    /// What it is there for, if it holds the whole of a model.
    pub(super) post: Post,
    pub(super) ledger: Ledger<Listener>,
    pub(super) feed: Feed,
    pub(super) seen: Seen,
    pub(super) expect: Expect,
    pub(super) stage: Stage,
    /// Threads of its engine, what it leases.
    pub(super) threads: u32,
    /// Slots it serves; 0 until it is ready.
    pub(super) slots: u32,
    /// Tokens of its requests so far.
    pub(super) tokens: TokenCounts,
    /// The sessions that it got jobs of, while they are open: as many as there are connections.
    pub(super) domains: BTreeSet<DomainId>,
    /// What it said of its model; nothing until it is ready.
    pub(super) facts: ModelFacts,
    /// How far it had come when that was told last.
    pub(super) told_percent: Option<u8>,
    /// The index it chose, if choosing is what it is for.
    pub(super) chosen: Option<usize>,
    /// What it said of its model, if saying that is what it is for.
    pub(super) inspected: Option<Box<Inspected>>,
    /// Wakes its task: there is something to send, or a verdict.
    pub(super) nudge: Rc<Notify>,
    /// Whether it may compute.
    pub(super) cores: Cores,
    /// When it got its last job or was done with one.
    pub(super) used_at: Instant,
    /// Why it is to be killed.
    pub(super) verdict: Option<Verdict>,
    /// When a look at it came so late that the machine must have stood still.
    pub(super) excused_at: Option<Instant>,
    /// How long it may give none at least.
    pub(super) watchdog: Duration,
    /// How long its steps took of late.
    pub(super) step: Duration,
    /// When it gave its last sign of life.
    pub(super) alive_at: Instant,
    /// Its heartbeat then.
    pub(super) heartbeat: u64,
    /// When it last got on with what it holds.
    pub(super) progress: Progress,
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It locks itself down and loads; has to be done by then.
    Loading {
        /// When that is.
        until: Instant,
        /// How long it had in all.
        within: Duration,
    },
    /// It serves.
    Serving,
    /// It was asked to end; is killed then.
    Stopping {
        /// When that is.
        until: Instant,
    },
    /// Its process has ended and may have been waited for: its id means nothing any more.
    Gone,
}

impl Worker {
    /// How much of a model it holds.
    pub(super) fn part(&self) -> Option<Part> {
        self.line.as_ref().map(|line| line.part)
    }

    /// Its line, if it holds the whole of a model.
    pub(super) fn whole(&self) -> Option<&LineId> {
        self.line.as_ref().filter(|line| line.part == Part::Whole)
    }

    /// Its model, and what of it where that is not all.
    pub(super) fn name(&self) -> Option<String> {
        self.line.as_ref().map(name)
    }

    /// Decides that it is to be killed; the first reason stays.
    pub(super) fn condemn(&mut self, verdict: Verdict) {
        self.verdict.get_or_insert(verdict);
        self.nudge.notify_one();
    }

    /// Kills it, because nobody needs it any more.
    pub(super) fn dismiss(&mut self) {
        self.condemn(Verdict::Dismissed);
    }

    /// Asks it to end once it has nothing more to do.
    pub(super) fn stop(&mut self) {
        self.stage = Stage::Stopping { until: Instant::now() + STOP_WITHIN };
        self.say(&ToWorker::Stop);
    }

    /// Sends a record.
    pub(super) fn say(&mut self, record: &ToWorker) {
        let said = self.feed.push(record);
        self.sent(said);
    }

    /// Sends what waits; a broken ring condemns the worker.
    pub(super) fn sent(&mut self, queued: Result<(), Breach>) {
        if let Err(breach) = queued.and_then(|()| self.feed.flush()) {
            self.condemn(Verdict::Breach(breach));
        }
        // Its task may have to arm a timer now that there is work.
        self.nudge.notify_one();
    }

    pub(super) fn verified(&self) -> Verified {
        if self.is_served() { Verified::AtReady } else { Verified::NotYet }
    }

    /// Whether it has been ready: a vocabulary is never empty.
    pub(super) fn is_served(&self) -> bool {
        self.facts.n_vocab > 0
    }
}

/// A model, and what of it a worker holds where that is not all.
pub(super) fn name(line: &LineId) -> String {
    let model = &line.model;
    match line.part {
        Part::Whole => model.to_string(),
        Part::Vocabulary => format!("{model} (vocabulary)"),
        Part::Grammar => format!("{model} (grammars)"),
    }
}
