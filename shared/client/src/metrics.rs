//! The state of a broker as OpenMetrics text, for whatever collects that on this machine.
//!
//! A broker formats nothing and listens to no HTTP: whoever may ask for [`Status`] can have this.
//! It holds ids, states and numbers, never a prompt, a token or a reason. The order is fixed;
//! metrics are added and never renamed.

#[cfg(test)]
mod tests;
mod text;

use core_wire::client::{
    deaths::DeathCause,
    event::ModelState,
    status::{DeviceStatus, MemoryStatus, ModelStatus, Status, WorkerState, WorkerStatus},
};

use self::text::{Family, Kind, Text};

/// All numbers of a state, in the text format of OpenMetrics 1.0, with its last line `# EOF`. What
/// a name contains is escaped, and a series that comes twice is told once.
///
/// ```
/// let text = core_client::openmetrics(&core_client::Status::default());
/// assert!(text.contains("core_requests_total{end=\"done\"} 0\n"));
/// assert!(text.ends_with("# EOF\n"));
/// ```
pub fn openmetrics(status: &Status) -> String {
    let mut text = Text::default();
    broker(status, &mut text);
    requests(status, &mut text);
    memory(&status.memory, &mut text);
    workers(status, &mut text);
    models(&status.models, &mut text);
    text.end()
}

/// One family of which each member of a list has a sample.
type Row<T> = (&'static str, Kind, &'static str, fn(&T) -> u64);

const BROKER: [Row<Status>; 5] = [
    ("core_draining", Kind::Gauge, "Whether the broker takes no more work.", |status| {
        status.broker.draining.into()
    }),
    ("core_resident_memory_bytes", Kind::Bytes, "Resident memory of the broker.", |status| {
        status.broker.rss_bytes
    }),
    ("core_log_lines_dropped", Kind::Counter, "Log lines that nobody read in time.", |status| {
        status.broker.log_lines_dropped
    }),
    ("core_sessions", Kind::Gauge, "Authenticated connections.", |status| status.sessions.into()),
    ("core_detached_requests", Kind::Gauge, "Requests that may be adopted.", |status| {
        status.detached.into()
    }),
];

const MEMORY: [Row<MemoryStatus>; 4] = [
    ("core_memory_budget_bytes", Kind::Bytes, "What all workers may take together.", |memory| {
        memory.budget_bytes
    }),
    ("core_memory_granted_bytes", Kind::Bytes, "What workers were granted of it.", |memory| {
        memory.granted_bytes
    }),
    ("core_memory_held_bytes", Kind::Bytes, "Prompts and answers, rings included.", |memory| {
        memory.held_bytes
    }),
    ("core_saved_contexts_bytes", Kind::Bytes, "Saved contexts in cache/.", |memory| {
        memory.saved_bytes
    }),
];

const DEVICES: [Row<DeviceStatus>; 3] = [
    ("core_device_memory_total_bytes", Kind::Bytes, "Memory of a GPU.", |device| {
        device.total_bytes
    }),
    ("core_device_memory_free_bytes", Kind::Bytes, "What was free when it was seen.", |device| {
        device.free_bytes
    }),
    ("core_device_memory_granted_bytes", Kind::Bytes, "What workers were granted.", |device| {
        device.granted_bytes
    }),
];

const WORKERS: [Row<WorkerStatus>; 7] = [
    ("core_worker_resident_memory_bytes", Kind::Bytes, "Resident memory.", |worker| {
        worker.rss_bytes
    }),
    ("core_worker_granted_bytes", Kind::Bytes, "What it was granted of the budget.", |worker| {
        worker.memory_bytes
    }),
    ("core_worker_cores", Kind::Gauge, "Cores that are lent to it.", |worker| worker.cores.into()),
    ("core_worker_slots", Kind::Gauge, "Sequences it can serve at once.", |worker| {
        worker.slots.into()
    }),
    ("core_worker_active", Kind::Gauge, "Sequences it serves.", |worker| worker.active.into()),
    ("core_worker_verified", Kind::Gauge, "Whether every required layer was seen.", |worker| {
        worker.sandbox.verified.into()
    }),
    ("core_worker_tokens", Kind::Counter, "Tokens it has chosen.", |worker| worker.tokens),
];

const MODELS: [Row<ModelStatus>; 4] = [
    ("core_model_restarts", Kind::Counter, "Workers before the last one.", |model| {
        model.restarts.into()
    }),
    ("core_prompt_tokens", Kind::Counter, "Tokens of prompts, cached ones included.", |model| {
        model.tokens.prompt
    }),
    ("core_prompt_tokens_cached", Kind::Counter, "Those that were not computed.", |model| {
        model.tokens.cached
    }),
    ("core_generated_tokens", Kind::Counter, "Tokens that were chosen.", |model| {
        model.tokens.generated
    }),
];

fn broker(status: &Status, text: &mut Text) {
    let mut build = text.family("core_build", Kind::Info, "What runs.");
    build.sample(&[("version", &status.broker.version)], 1);
    let mut uptime = text.family("core_uptime_seconds", Kind::Seconds, "Since the broker started.");
    uptime.milliseconds(status.broker.uptime_ms);
    for (name, kind, help, number) in BROKER {
        text.family(name, kind, help).sample(&[], number(status));
    }
}

fn requests(status: &Status, text: &mut Text) {
    let requests = &status.requests;
    let mut ended = text.family("core_requests", Kind::Counter, "Requests that have ended.");
    ended.sample(&[("end", "done")], requests.done);
    ended.sample(&[("end", "failed")], requests.failed);
    ended.sample(&[("end", "cancelled")], requests.cancelled);
    let help = "Times that a request went on after its worker was lost.";
    text.family("core_requests_resumed", Kind::Counter, help).sample(&[], requests.resumed);
    let help = "Failed requests that too many workers had died with.";
    text.family("core_requests_quarantined", Kind::Counter, help).sample(&[], requests.quarantined);
    let queue = &status.queue;
    let mut depth = text.family("core_queue_depth", Kind::Gauge, "Requests that wait.");
    depth.sample(&[("class", "interactive")], queue.interactive.into());
    depth.sample(&[("class", "normal")], queue.normal.into());
    depth.sample(&[("class", "batch")], queue.batch.into());
}

fn memory(memory: &MemoryStatus, text: &mut Text) {
    for (name, kind, help, number) in MEMORY {
        text.family(name, kind, help).sample(&[], number(memory));
    }
    for (name, kind, help, number) in DEVICES {
        let mut family = text.family(name, kind, help);
        for device in &memory.devices {
            family.sample(&[("device", &device.name)], number(device));
        }
    }
}

fn workers(status: &Status, text: &mut Text) {
    let help = "Workers that ended without being asked.";
    let mut deaths = text.family("core_worker_deaths", Kind::Counter, help);
    for &cause in DeathCause::ALL {
        deaths.sample(&[("cause", cause.name())], status.deaths.of(cause));
    }
    let mut info = text.family("core_worker", Kind::Info, "Which workers there are.");
    for worker in &status.workers {
        let pid = worker.pid.to_string();
        let post = if worker.standby { "standby" } else { "serves" };
        let file = if worker.outdated { "old" } else { "current" };
        info.sample(
            &[
                ("pid", &pid),
                ("model", &worker.model),
                ("post", post),
                ("file", file),
                ("profile", &worker.profile),
            ],
            1,
        );
    }
    worker_states(&status.workers, text);
    for (name, kind, help, number) in WORKERS {
        let mut family = text.family(name, kind, help);
        for worker in &status.workers {
            let pid = worker.pid.to_string();
            family.sample(&[("pid", &pid), ("model", &worker.model)], number(worker));
        }
    }
}

fn worker_states(workers: &[WorkerStatus], text: &mut Text) {
    let mut states = text.family("core_worker_state", Kind::StateSet, "What a worker is doing.");
    for worker in workers {
        let pid = worker.pid.to_string();
        let labels = [("pid", pid.as_str()), ("model", worker.model.as_str())];
        let now = match worker.state {
            WorkerState::Loading => "loading",
            WorkerState::Ready => "ready",
            WorkerState::Draining => "draining",
        };
        one_of(&mut states, labels, ["loading", "ready", "draining"], now);
    }
}

fn models(models: &[ModelStatus], text: &mut Text) {
    let mut states = text.family("core_model_state", Kind::StateSet, "What a model is doing.");
    for model in models {
        let now = match model.state {
            ModelState::Unloaded => "unloaded",
            ModelState::Loading => "loading",
            ModelState::Ready => "ready",
            ModelState::Draining => "draining",
            ModelState::Failed => "failed",
        };
        let all = ["unloaded", "loading", "ready", "draining", "failed"];
        one_of(&mut states, [("model", model.id.as_str())], all, now);
    }
    for (name, kind, help, number) in MODELS {
        let mut family = text.family(name, kind, help);
        for model in models {
            family.sample(&[("model", &model.id)], number(model));
        }
    }
}

/// The samples of a set of states, of which one holds.
fn one_of<const L: usize, const S: usize>(
    family: &mut Family<'_>,
    labels: [(&str, &str); L],
    states: [&str; S],
    now: &str,
) {
    for state in states {
        let labels: Vec<_> = labels.into_iter().chain([(family.name(), state)]).collect();
        family.sample(&labels, u64::from(state == now));
    }
}
