//! What protects each process, and how that is known: `corectl audit --json` prints one of these a
//! line.

use serde::{Deserialize, Serialize};

/// One process and its protections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AuditProcess {
    /// Its process id.
    pub pid: u32,
    /// `broker` or `worker`.
    pub role: String,
    /// The model it serves, for a worker.
    pub model: Option<String>,
    /// One row for each protection.
    pub rows: Vec<AuditRow>,
}

/// One protection of one process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AuditRow {
    /// A stable name such as `seccomp.serve`.
    pub name: String,
    /// Whether a worker without it is refused; otherwise its absence is a `degraded` entry.
    pub required: bool,
    /// Whether it holds.
    pub achieved: bool,
    /// What was seen, such as `ABI 7` or `20 calls`.
    pub value: String,
    /// How it is known: `outside at READY`, `canary`, `suite`, and so on.
    pub verified: String,
    /// When, in milliseconds since the epoch; 0 for what is never looked at while a broker runs.
    pub verified_at_ms: u64,
}
