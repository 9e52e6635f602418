//! From a plan to what is noted of its worker.

use std::{collections::BTreeSet, rc::Rc, time::Duration};

use core_policy::verify::Expect;
use core_wire::{
    client::status::TokenCounts,
    worker::{KvType, ModelFacts, Purpose},
};
use tokio::time::Instant;

use super::Plan;
use crate::{
    config::WATCHDOG_MS,
    memory::watch::OomKills,
    report::Seen,
    runtime::{
        cores::Cores,
        spare::Post,
        worker::{Progress, Stage, Worker},
    },
    workers::{feed::Feed, link::Ledger},
};

impl Plan {
    /// The kernel's limit on its memory. A driver of a GPU maps as much as the device has, so there
    /// only what is touched is watched.
    pub(super) fn data_max_bytes(&self) -> Option<u64> {
        let on_gpu = match &self.purpose {
            Purpose::Serve(serve) | Purpose::Inspect(serve) => !serve.backends.is_empty(),
            Purpose::Choose { .. } => false,
        };
        (!on_gpu).then(|| self.grant.data_max_bytes())
    }

    /// How keys and values are stored.
    fn kv(&self) -> KvType {
        match &self.purpose {
            Purpose::Serve(serve) | Purpose::Inspect(serve) => serve.kv,
            Purpose::Choose { .. } => KvType::default(),
        }
    }

    pub(in crate::runtime) fn worker(self, pid: u32, feed: Feed, expect: Expect) -> Worker {
        let now = Instant::now();
        Worker {
            pid,
            kv: self.kv(),
            line: self.line,
            files: self.files,
            rereads: false,
            held: None,
            grant: self.grant,
            gpu: self.gpu,
            memory_at: now,
            oom_kills: OomKills::now(),
            digest: None,
            post: Post::Serves,
            ledger: Ledger::new(self.role),
            feed,
            seen: Seen::default(),
            expect,
            stage: Stage::Loading { until: now + self.within, within: self.within },
            threads: self.threads,
            slots: 0,
            tokens: TokenCounts::default(),
            domains: BTreeSet::new(),
            facts: ModelFacts::default(),
            told_percent: None,
            chosen: None,
            inspected: None,
            nudge: Rc::default(),
            cores: Cores::Without { since: now },
            verdict: None,
            used_at: now,
            excused_at: None,
            watchdog: Duration::from_millis(WATCHDOG_MS.into()),
            step: Duration::ZERO,
            alive_at: now,
            heartbeat: 0,
            progress: Progress::new(now),
        }
    }
}
