//! Forking a worker and noting it; its task is the caller's.

mod plan;

use std::{fmt::Display, path::Path, time::Duration};

use core_policy::{limits, profile::Profile, report::How, seccomp, verify::Expect};
use core_ring::TokenReceiver;
use core_wire::{
    code::{Code, Refusal},
    worker::{
        Purpose, WorkerConfig,
        config::{Load, Serve, Weights},
    },
};
use tokio::{
    process::Child,
    task::{JoinHandle, spawn_local},
};

use super::{
    Core,
    spare::Post,
    tell::epoch_ms,
    worker::{self, Worker},
};
use crate::{
    memory::{gpu, pool::Grant},
    models::files::Files,
    report::{no_memory_cgroup, of_rings},
    scheduler::{LineId, Part, WorkerId},
    workers::{
        feed::Feed,
        link::Role,
        spawn::{self, Start, Started},
        watch::{self, LastWords},
    },
};

/// Tokens of one engine step: the slice in which a prompt is prefilled beside others' decodes.
const BATCH_TOKENS: u32 = 512;

/// Which part of the context sequences that nobody continues may hold, unless configured: their
/// cells tax every step, 1.2 times at 4k of them.
const IDLE_SHARE: u32 = 8;

/// What a worker is to be.
pub(super) struct Plan {
    pub(super) purpose: Purpose,
    pub(super) role: Role,
    pub(super) line: Option<LineId>,
    pub(super) files: Files,
    pub(super) grant: Grant,
    /// What it was granted of GPUs, for its life.
    pub(super) gpu: Option<gpu::Grant>,
    pub(super) threads: u32,
    pub(super) within: Duration,
}

/// A worker that was started, with what its task needs.
pub(super) struct Launched {
    pub(super) id: WorkerId,
    pub(super) child: Child,
    pub(super) tokens: TokenReceiver,
    /// Reads its log, and what it read last.
    pub(super) log: (JoinHandle<()>, LastWords),
}

impl Core {
    /// How a model is to be served, from what core.toml says of it and of all.
    pub(super) fn serve_config(&self, line: &LineId, variant: &Path) -> Serve {
        let defaults = self.setup.config.defaults;
        let settings = self.registry.source(line).map(|source| source.settings.clone());
        let settings = settings.unwrap_or_default();
        let cores = self.leases.cores();
        let slots = settings.slots.unwrap_or(defaults.slots).max(1);
        let n_ctx = self.n_ctx_max(line);
        let idle_cells = settings.idle_cells.or(defaults.idle_cells);
        // A step has room for one token of each slot, whatever its slice of prefill.
        let n_batch = BATCH_TOKENS.max(slots);
        Serve {
            variant: variant.to_string_lossy().into_owned(),
            backends: self.backends(line),
            parts: 1,
            adapters: Vec::new(),
            load: Load::Weights,
            n_ctx,
            slots,
            threads: settings.threads.or(defaults.threads).unwrap_or(cores).clamp(1, cores),
            n_batch,
            n_ubatch: n_batch,
            step_ms_max: settings.step_ms_max.unwrap_or(defaults.step_ms_max),
            idle_cells_max: idle_cells.unwrap_or(n_ctx / IDLE_SHARE).min(n_ctx),
            kv: settings.kv.unwrap_or(defaults.kv),
            weights: self.weights(line).unwrap_or(Weights::Repacked),
            gpu_layers: 0,
        }
    }

    /// Cells that a worker of a line may have at most; fewer where its model has a shorter context.
    pub(super) fn n_ctx_max(&self, line: &LineId) -> u32 {
        let configured = self.registry.source(line).and_then(|source| source.settings.n_ctx);
        configured.unwrap_or(self.setup.config.defaults.n_ctx)
    }

    /// Forks a worker and notes it; its task is the caller's.
    pub(super) fn launch(&mut self, plan: Plan) -> Result<Launched, Refusal> {
        if self.is_over() {
            return Err(Refusal::new(Code::Draining, "the broker ends"));
        }
        if plan.line.as_ref().is_some_and(|line| self.scheduler.drops_spare(line)) {
            // Dropped when there was no process to end yet: its memory is waited for.
            return Err(Refusal::new(Code::Memory, "the spare is not wanted any more"));
        }
        let (started, expect) = self.fork(&plan)?;
        let Started { child, pid, rings, log, degraded } = started;
        let (jobs, tokens) = rings.split();
        let name = plan.line.as_ref().map(worker::name);
        let name = name.unwrap_or_else(|| "(throwaway)".to_owned());
        tracing::info!(pid, model = %name, "worker started");
        let last = LastWords::default();
        let log = (spawn_local(watch::pump(log, pid, name, last.clone())), last);
        let whole = plan.line.as_ref().filter(|line| line.part == Part::Whole);
        let post = match whole.is_some_and(|line| self.scheduler.loads_spare(line)) {
            true => Post::Spare,
            false => Post::Serves,
        };
        if let Some(entry) = whole.and_then(|line| self.registry.entry_mut(&line.model))
            && post == Post::Serves
        {
            entry.starts += 1;
        }
        self.next_worker += 1;
        let id = WorkerId(self.next_worker);
        let profile = expect.profile;
        let mut worker = plan.worker(pid, Feed::new(jobs), expect);
        worker.post = post;
        worker.watchdog = Duration::from_millis(self.setup.config.watchdog_ms.into());
        worker.seen.merge(of_rings(degraded), epoch_ms());
        let cgroup = no_memory_cgroup(&self.setup.memory_cgroup);
        worker.seen.merge([seccomp::content(profile), cgroup], epoch_ms());
        worker.seen.merge(profile.rows(How::OutsideAtLocked), epoch_ms());
        self.workers.insert(id, worker);
        Ok(Launched { id, child, tokens, log })
    }

    fn fork(&self, plan: &Plan) -> Result<(Started, Expect), Refusal> {
        let failed = |error: &dyn Display| {
            tracing::error!(%error, "no worker");
            Refusal::new(Code::ModelLoad, format!("{error}"))
        };
        let expect = Expect {
            models: plan.files.fds().len(),
            broker_filters: self.setup.own_filters,
            data_max: plan.data_max_bytes(),
            profile: Profile::of_backends(plan.purpose.backends()),
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
            models: plan.files.fds(),
        });
        let started = started.map_err(|error| failed(&error))?;
        if let Some(bytes) = expect.data_max {
            let pid = i32::try_from(started.pid).unwrap_or(-1);
            // One without the limit is seen at LOCKED, and ended.
            let set = limits::set_data(pid, bytes);
            set.map_or_else(|errno| tracing::error!(%errno, "no limit on memory"), drop);
        }
        Ok((started, expect))
    }

    /// What a worker must not be able to open once it is locked: what others own.
    fn canaries(&self) -> Vec<String> {
        let paths = [self.setup.root.join("models"), self.setup.worker.exe.clone()];
        paths.iter().map(|path| path.to_string_lossy().into_owned()).collect()
    }

    /// Forgets a worker that is gone.
    pub(super) fn remove(&mut self, id: WorkerId) -> Option<Worker> {
        self.worker_gone.notify_one();
        let worker = self.workers.remove(&id);
        self.free_cores(id);
        let line = worker.as_ref().and_then(|worker| Some((worker.line.as_ref()?, worker.tokens)));
        if let Some((line, tokens)) = line
            && let Some(entry) = self.registry.entry_mut(&line.model)
        {
            entry.tokens.add(tokens);
        }
        worker
    }
}
