//! What the broker tells of itself: models, status, audit.

use std::time::{SystemTime, UNIX_EPOCH};

use core_policy::verify;
use core_wire::{
    client::{
        Event as ToClient, Priority,
        audit::AuditProcess,
        status::{
            BrokerStatus, DeviceStatus, MemoryStatus, ModelStatus, QueueStatus, Status,
            TokenCounts, WorkerState, WorkerStatus,
        },
    },
    ids::ModelId,
    worker::Device,
};
use nix::unistd::geteuid;

use super::{
    Core,
    spare::Post,
    worker::{Stage, Worker},
};
use crate::{
    config::Keep,
    memory::{pool, watch::Resident},
    models::{hash::hex, registry::Entry},
    report::Verified,
    scheduler::{Part, WorkerId},
};

impl Core {
    pub(super) fn models(&self) -> ToClient {
        ToClient::Models(self.registry.iter().map(|(id, entry)| entry.info(id)).collect())
    }

    pub(super) fn status(&self) -> ToClient {
        ToClient::Status(Box::new(Status {
            broker: self.broker_status(),
            workers: self
                .workers
                .iter()
                .filter_map(|(&id, worker)| self.worker_status(id, worker))
                .collect(),
            models: self.model_statuses(),
            queue: self.queue_status(),
            // Not those of the scheduler: some of them are nobody's, or the broker's own.
            sessions: count(self.clients.len()),
            requests: self.counts,
            memory: self.memory_status(),
            deaths: self.deaths.counts,
            last_deaths: self.deaths.last(),
            detached: count(self.kept.len()),
        }))
    }

    fn memory_status(&self) -> MemoryStatus {
        let device = |(at, device): (usize, &Device)| DeviceStatus {
            name: device.name.clone(),
            free_bytes: device.free_bytes,
            total_bytes: device.total_bytes,
            granted_bytes: self.gpus.granted(at),
        };
        let prompts = u64::try_from(self.prompts.held()).unwrap_or(u64::MAX);
        MemoryStatus {
            budget_bytes: pool::budget_bytes(&self.setup.config.memory),
            granted_bytes: self.scheduler.granted(),
            held_bytes: prompts.saturating_add(pool::rings_bytes(self.workers.len())),
            saved_bytes: self.contexts.saved_bytes(),
            devices: self.devices.iter().enumerate().map(device).collect(),
        }
    }

    /// Looks again at every worker that can be looked at, then tells all.
    pub(super) fn audit(&mut self) -> ToClient {
        let now_ms = epoch_ms();
        let ready: Vec<_> = self.workers.iter().filter(|(_, worker)| worker.is_served()).collect();
        let ready: Vec<_> = ready.iter().map(|(id, _)| **id).collect();
        ready.into_iter().for_each(|id| self.look_at_files(id));
        self.own.merge(verify::self_broker(), now_ms);
        let broker = AuditProcess {
            pid: std::process::id(),
            role: "broker".into(),
            model: None,
            rows: self.own.audit_rows(),
        };
        let workers = self.workers.values_mut().filter_map(|worker| {
            let model = worker.name()?;
            if worker.verified() == Verified::AtReady {
                let pid = i32::try_from(worker.pid).unwrap_or(-1);
                worker.seen.merge(verify::at_ready(pid, &worker.expect), now_ms);
            }
            let rows = worker.seen.worker_rows();
            Some(AuditProcess { pid: worker.pid, role: "worker".into(), model: Some(model), rows })
        });
        ToClient::Audit(std::iter::once(broker).chain(workers).collect())
    }

    fn broker_status(&self) -> BrokerStatus {
        BrokerStatus {
            pid: std::process::id(),
            uid: geteuid().as_raw(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_ms: self.now_ms(),
            rss_bytes: rss_bytes(std::process::id()),
            draining: self.scheduler.is_draining(),
            log_lines_dropped: self.setup.log.dropped(),
        }
    }

    fn worker_status(&self, id: WorkerId, worker: &Worker) -> Option<WorkerStatus> {
        let line = worker.line.as_ref()?;
        let (active, slots) = match line.part {
            Part::Whole if worker.post == Post::Spare => (0, number(worker.slots)),
            Part::Whole => self.scheduler.occupancy(id).unwrap_or_default(),
            Part::Vocabulary | Part::Grammar => (0, 0),
        };
        let whole = worker.whole().and_then(|line| self.registry.entry(&line.model));
        let starts = whole.map_or(1, |entry| entry.starts);
        Some(WorkerStatus {
            pid: worker.pid,
            model: worker.name()?,
            state: match worker.stage {
                Stage::Loading { .. } => WorkerState::Loading,
                Stage::Serving if self.scheduler.is_finishing(id) => WorkerState::Draining,
                Stage::Serving => WorkerState::Ready,
                Stage::Stopping { .. } | Stage::Gone => WorkerState::Draining,
            },
            slots: count(slots),
            active: count(active),
            sandbox: worker.seen.sandbox(worker.verified(), worker.expect.profile),
            restarts: starts.saturating_sub(1),
            rss_bytes: rss_bytes(worker.pid),
            cores: self.leases.lent(id),
            memory_bytes: worker.grant.total_bytes(),
            profile: worker.expect.profile.name().into(),
            outdated: whole.is_some_and(|entry| line.edition < entry.edition),
            standby: worker.post == Post::Spare,
            tokens: worker.tokens.generated,
        })
    }

    fn model_statuses(&self) -> Vec<ModelStatus> {
        let now_ms = self.now_ms();
        let models = self.registry.iter().map(|(id, entry)| ModelStatus {
            id: id.as_str().to_owned(),
            state: entry.state,
            sha256: entry.sha256.as_ref().map(hex),
            size_bytes: entry.size_bytes,
            n_ctx: entry.facts.n_ctx,
            reason: entry.attempts.reason().map(|refusal| refusal.message.clone()),
            memory_bytes: entry.needs.host_total(),
            pinned: entry.source.settings.keep == Keep::Pinned,
            retry_ms: entry.attempts.reason().map(|_| entry.attempts.left_ms(now_ms)),
            restarts: entry.starts.saturating_sub(1),
            tokens: self.tokens_of(id, entry),
            last_death: entry.last_death.clone(),
        });
        models.collect()
    }

    /// Those of workers that are gone, and of those that are not.
    fn tokens_of(&self, id: &ModelId, entry: &Entry) -> TokenCounts {
        let of = |worker: &&Worker| worker.line.as_ref().is_some_and(|line| line.model == *id);
        let mut tokens = entry.tokens;
        self.workers.values().filter(of).for_each(|worker| tokens.add(worker.tokens));
        tokens
    }

    fn queue_status(&self) -> QueueStatus {
        let of = |class| count(self.scheduler.depth(class));
        QueueStatus {
            depth: count(self.scheduler.waiting()),
            interactive: of(Priority::Interactive),
            normal: of(Priority::Normal),
            batch: of(Priority::Batch),
        }
    }
}

fn number(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Milliseconds since the epoch; 0 on a clock before it.
pub(super) fn epoch_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Resident memory of a process; 0 for one that cannot be looked at.
fn rss_bytes(pid: u32) -> u64 {
    Resident::of(pid).map_or(0, |resident| resident.all)
}
