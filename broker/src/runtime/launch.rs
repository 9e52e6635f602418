//! Forking a worker and noting it; its task is the caller's.

use std::{fmt::Display, os::fd::OwnedFd, path::Path, rc::Rc, thread, time::Duration};

use core_policy::{seccomp, verify::Expect};
use core_ring::TokenReceiver;
use core_wire::{
    code::{Code, Refusal},
    ids::ModelId,
    worker::{
        Purpose, WorkerConfig,
        config::{Load, Serve},
    },
};
use tokio::{process::Child, task::spawn_local, time::Instant};

use super::{
    Core,
    tell::epoch_ms,
    worker::{Stage, Worker},
};
use crate::{
    report::{Seen, no_memory_limit, of_rings},
    scheduler::WorkerId,
    workers::{
        feed::Feed,
        link::{Ledger, Role},
        spawn::{self, Start, Started},
        watch,
    },
};

/// Tokens of one engine step: the slice in which a prompt is prefilled beside others' decodes.
const BATCH_TOKENS: u32 = 512;

/// What a worker is to be.
pub(super) struct Plan {
    pub(super) purpose: Purpose,
    pub(super) role: Role,
    pub(super) model: Option<ModelId>,
    pub(super) files: Vec<OwnedFd>,
    pub(super) threads: u32,
    pub(super) within: Duration,
}

/// A worker that was started, with what its task needs.
pub(super) struct Launched {
    pub(super) id: WorkerId,
    pub(super) child: Child,
    pub(super) tokens: TokenReceiver,
}

impl Core {
    /// How a model is to be served, from what core.toml says of it and of all.
    pub(super) fn serve_config(&self, model: &ModelId, variant: &Path) -> Serve {
        let defaults = self.setup.config.defaults;
        let settings = self.registry.entry(model).map(|entry| entry.source.settings.clone());
        let settings = settings.unwrap_or_default();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let cores = u32::try_from(cores).unwrap_or(u32::MAX);
        let slots = settings.slots.unwrap_or(defaults.slots).max(1);
        let n_ctx = settings.n_ctx.unwrap_or(defaults.n_ctx);
        // A step has room for one token of each slot, whatever its slice of prefill.
        let n_batch = BATCH_TOKENS.max(slots);
        Serve {
            variant: variant.to_string_lossy().into_owned(),
            files: 1,
            load: Load::Weights,
            n_ctx,
            slots,
            threads: settings.threads.or(defaults.threads).unwrap_or(cores).max(1),
            n_batch,
            n_ubatch: n_batch,
            step_ms_max: 100,
            idle_cells_max: n_ctx / 8,
        }
    }

    /// Forks a worker and notes it; its task is the caller's.
    pub(super) fn launch(&mut self, plan: Plan) -> Result<Launched, Refusal> {
        if self.is_over() {
            return Err(Refusal::new(Code::Draining, "the broker ends"));
        }
        let (started, expect) = self.fork(&plan)?;
        let Started { child, pid, rings, log, degraded } = started;
        let (jobs, tokens) = rings.split();
        let name = plan.model.as_ref().map_or("(variants)", ModelId::as_str);
        tracing::info!(pid, model = %name, "worker started");
        spawn_local(watch::pump(log, pid, name.to_owned()));
        let entry = plan.model.as_ref().map(|id| self.registry.entry_mut(id));
        if let Some(entry) = entry.flatten() {
            entry.starts += 1;
        }
        self.next_worker += 1;
        let id = WorkerId(self.next_worker);
        let mut worker = plan.worker(pid, Feed::new(jobs), expect);
        worker.seen.merge(of_rings(degraded), epoch_ms());
        worker.seen.merge([seccomp::content(), no_memory_limit()], epoch_ms());
        self.workers.insert(id, worker);
        Ok(Launched { id, child, tokens })
    }

    fn fork(&self, plan: &Plan) -> Result<(Started, Expect), Refusal> {
        let failed = |error: &dyn Display| {
            tracing::error!(%error, "no worker");
            Refusal::new(Code::ModelLoad, format!("{error}"))
        };
        let expect = Expect {
            models: plan.files.len(),
            broker_filters: self.setup.own_filters,
            data_max: None,
        };
        let config = WorkerConfig {
            purpose: plan.purpose.clone(),
            broker_pid: std::process::id(),
            canaries: self.canaries(),
        };
        let started = spawn::spawn(Start {
            exe: &self.setup.worker.exe,
            config,
            threads: plan.threads,
            models: &plan.files,
        });
        Ok((started.map_err(|error| failed(&error))?, expect))
    }

    /// What a worker must not be able to open once it is locked: what others own.
    fn canaries(&self) -> Vec<String> {
        let paths = [self.setup.root.join("models"), self.setup.worker.exe.clone()];
        paths.iter().map(|path| path.to_string_lossy().into_owned()).collect()
    }

    /// Forgets a worker that is gone; answers what it chose.
    pub(super) fn remove(&mut self, id: WorkerId) -> Option<usize> {
        self.worker_gone.notify_one();
        self.workers.remove(&id)?.chosen
    }
}

impl Plan {
    fn worker(self, pid: u32, feed: Feed, expect: Expect) -> Worker {
        let now = Instant::now();
        Worker {
            pid,
            model: self.model,
            ledger: Ledger::new(self.role),
            feed,
            seen: Seen::default(),
            expect,
            stage: Stage::Loading { until: now + self.within, within: self.within },
            slots: 0,
            chosen: None,
            nudge: Rc::default(),
            verdict: None,
            alive_at: now,
            heartbeat: 0,
        }
    }
}
