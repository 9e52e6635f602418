//! The state of a broker, with the field names of the contract: `corectl status --json` is this.

use serde::{Deserialize, Serialize};

pub use super::deaths::{DeathCause, DeathCounts, LastDeath};
use super::event::ModelState;

/// Everything that `status` tells.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The broker itself.
    pub broker: BrokerStatus,
    /// One entry for each worker process.
    pub workers: Vec<WorkerStatus>,
    /// One entry for each known model.
    pub models: Vec<ModelStatus>,
    /// Requests that wait.
    pub queue: QueueStatus,
    /// Authenticated connections.
    pub sessions: u32,
    /// Requests since the start.
    pub requests: RequestCounts,
    /// What may be used, and what is.
    pub memory: MemoryStatus,
    /// Workers that ended without being asked, since the start.
    pub deaths: DeathCounts,
    /// The last of them of each cause, in the order of [`DeathCause::ALL`].
    pub last_deaths: Vec<LastDeath>,
    /// Requests that may be adopted: detached, and neither attached nor forgotten.
    pub detached: u32,
}

/// Memory in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryStatus {
    /// What all workers together may take, page cache included.
    pub budget_bytes: u64,
    /// What they were granted.
    pub granted_bytes: u64,
    /// Prompts and answers that the broker holds, rings included.
    pub held_bytes: u64,
    /// Saved contexts in cache/.
    pub saved_bytes: u64,
    /// GPUs that the last worker told of.
    pub devices: Vec<DeviceStatus>,
}

/// One GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceStatus {
    /// What its back end calls it.
    pub name: String,
    /// Bytes that were free when it was looked at.
    pub free_bytes: u64,
    /// Bytes that there are.
    pub total_bytes: u64,
    /// Bytes that workers were granted.
    pub granted_bytes: u64,
}

/// The broker process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BrokerStatus {
    /// Its process id.
    pub pid: u32,
    /// The user it runs as.
    pub uid: u32,
    /// Its version.
    pub version: String,
    /// Milliseconds since its start.
    pub uptime_ms: u64,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// Whether it takes no more work.
    pub draining: bool,
    /// Log lines that nobody read in time.
    pub log_lines_dropped: u64,
}

/// A worker process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Its process id.
    pub pid: u32,
    /// The model it serves.
    pub model: String,
    /// What it is doing.
    pub state: WorkerState,
    /// Sequences it can serve at once.
    pub slots: u32,
    /// Sequences it serves now.
    pub active: u32,
    /// How it is locked down.
    pub sandbox: SandboxStatus,
    /// Workers of this model before it.
    pub restarts: u32,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// Cores that are lent to it now; 0 while it waits for its turn. An idle worker keeps what it
    /// was lent until another wants it.
    pub cores: u32,
    /// Bytes that it was granted, page cache included; it is killed when its own go beyond.
    pub memory_bytes: u64,
    /// Which sandbox profile holds: `cpu` or `gpu`.
    pub profile: String,
    /// Whether it serves a file that was swapped for another.
    pub outdated: bool,
    /// Whether it only waits to replace another that is lost.
    pub standby: bool,
    /// Tokens that it has chosen.
    pub tokens: u64,
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerState {
    /// Locking down or reading the model.
    #[default]
    Loading,
    /// Serving.
    Ready,
    /// Finishing what it has, then ending.
    Draining,
}

/// How a worker is locked down.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SandboxStatus {
    /// Landlock ABI of the kernel; all of its rights are handled.
    pub landlock_abi: u32,
    /// Calls the LOAD filter allows.
    pub seccomp_load: u32,
    /// Calls the SERVE filter allows.
    pub seccomp_serve: u32,
    /// SHA-256 of the SERVE filter's program.
    pub filter_sha256: String,
    /// Wanted protections that are not there.
    pub degraded: Vec<String>,
    /// Whether the broker has looked at READY and found every required layer.
    pub verified: bool,
}

/// A model in `status`; `models` tells more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelStatus {
    /// Its id.
    pub id: String,
    /// What it is doing.
    pub state: ModelState,
    /// SHA-256 of its file, once it has been read.
    pub sha256: Option<String>,
    /// Bytes of its file.
    pub size_bytes: u64,
    /// Context that is served or would be, in tokens; 0 until it was inspected.
    pub n_ctx: u32,
    /// Why it failed, where it did.
    pub reason: Option<String>,
    /// Bytes that its worker takes, page cache included; 0 until it was inspected.
    pub memory_bytes: u64,
    /// Whether it stays loaded whatever else needs memory.
    pub pinned: bool,
    /// Milliseconds until its file is tried again, where the last attempt failed; another file is
    /// tried at once.
    pub retry_ms: Option<u64>,
    /// Workers that served it before the last one, since the start.
    pub restarts: u32,
    /// Tokens of its requests since the start.
    pub tokens: TokenCounts,
    /// How the last of its workers ended that was not asked to, with the assertion that failed
    /// where it said one: its own word, printable and cut.
    pub last_death: Option<String>,
}

/// Tokens of a model's requests since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCounts {
    /// Of prompts, each once for each completion, cached ones included.
    pub prompt: u64,
    /// Those of them that needed no computing.
    pub cached: u64,
    /// Chosen.
    pub generated: u64,
}

impl TokenCounts {
    /// Adds those of others.
    pub fn add(&mut self, other: Self) {
        self.prompt += other.prompt;
        self.cached += other.cached;
        self.generated += other.generated;
    }
}

/// Requests that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueStatus {
    /// In all.
    pub depth: u32,
    /// Of the interactive class.
    pub interactive: u32,
    /// Of the normal class.
    pub normal: u32,
    /// Of the batch class.
    pub batch: u32,
}

/// Requests since the start; `Status`, `Models` and `Audit` are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestCounts {
    /// Ended well.
    pub done: u64,
    /// Ended in an error frame.
    pub failed: u64,
    /// Ended because the client asked or went away.
    pub cancelled: u64,
    /// Continued after a worker was lost.
    pub resumed: u64,
    /// Those that failed because too many workers died while they ran them.
    pub quarantined: u64,
}
