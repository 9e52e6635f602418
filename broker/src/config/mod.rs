//! core.toml: what the operator decides. Everything has a default, so a root directory with models
//! and nothing else works.
//!
//! A file is read into a raw form that knows where each value stands, then checked into a
//! [`Config`] that cannot be wrong; what is wrong or odd is told with its line.

#![forbid(unsafe_code)]

mod check;
mod model;
mod raw;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use core_wire::{ids::ModelId, limits::CLIENT_FRAME_BYTES_MAX};
use nix::libc;
use thiserror::Error;

/// Bytes of a configuration: a thousand models with a hash each take a fifth of it.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Milliseconds that running requests have after the first signal (contract).
pub const DRAIN_MS: u32 = 10_000;
/// The longest drain: an hour; a supervisor kills long before.
pub const DRAIN_MS_MAX: u32 = 60 * 60 * 1000;
/// Users beside the broker's own, its starter and root.
pub const UIDS_MAX: usize = 256;
/// Models that a file may describe.
pub const MODELS_MAX: usize = 1024;
/// Sequences that one worker serves at once, unless configured. Eight together get three times the
/// tokens of one (88 tokens/s became 259 on two cores), and each still reads faster than people do.
pub const SLOTS: u32 = 8;
/// Milliseconds that a step should take at most, unless configured: ten tokens a second is faster
/// than people read, and a stall of a tenth of a second is not felt as one.
pub const STEP_MS: u32 = 100;
/// Requests that wait in all, unless configured: enough for every session to wait once.
pub const QUEUE_REQUESTS: u32 = 1024;
/// The longest queue: at one byte each their ids alone are a megabyte.
pub const QUEUE_REQUESTS_MAX: u32 = 1 << 20;
/// Open requests of one session, unless configured.
pub const PER_SESSION: u32 = 256;
/// Frames that may wait for one client, unless configured: the tokens of a long answer.
pub const OUTBOX_FRAMES: u32 = 4096;
/// The deepest outbox.
pub const OUTBOX_FRAMES_MAX: u32 = 1 << 20;
/// Bytes that may wait for one client, unless configured: 4096 tokens at 256 bytes.
pub const OUTBOX_BYTES: u32 = 1 << 20;
/// The smallest outbox in bytes: two pages, so that a status fits beside tokens.
pub const OUTBOX_BYTES_MIN: u32 = 8 << 10;

/// The configuration, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Milliseconds that running requests have to end after the first signal.
    pub drain_ms: u32,
    /// Bytes of one frame from a client, at most the wire's `CLIENT_FRAME_BYTES_CEILING`.
    pub client_frame_bytes_max: usize,
    /// Users that may connect beside the broker's own, the one that started it, and root.
    pub uids: Vec<u32>,
    /// What a model gets unless it says otherwise.
    pub defaults: ModelDefaults,
    /// Models that the file describes, by id; others are found by name beneath models/.
    pub models: BTreeMap<ModelId, ModelConfig>,
    /// How much may wait for a worker.
    pub queue: QueueConfig,
    /// How much may wait for a client.
    pub outbox: OutboxConfig,
}

/// What a model gets unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelDefaults {
    /// Context in tokens for all sequences together, never more than the model was trained for.
    pub n_ctx: u32,
    /// Sequences served at once.
    pub slots: u32,
    /// Threads of a worker; `None` takes the cores that are there, and more never run.
    pub threads: Option<u32>,
    /// Milliseconds that a step with somebody's next token in it should take at most.
    pub step_ms_max: u32,
    /// Cells that sequences which nobody continues may hold; `None` is an eighth of the context.
    pub idle_cells: Option<u32>,
}

/// What the file says of one model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelConfig {
    /// Its file, relative to models/ and below it; `None` is the id with `.gguf`.
    pub file: Option<String>,
    /// Context in tokens.
    pub n_ctx: Option<u32>,
    /// Sequences served at once.
    pub slots: Option<u32>,
    /// Threads of its worker.
    pub threads: Option<u32>,
    /// Milliseconds that a step should take at most.
    pub step_ms_max: Option<u32>,
    /// Cells that sequences which nobody continues may hold.
    pub idle_cells: Option<u32>,
    /// SHA-256 that its file must have.
    pub sha256: Option<[u8; 32]>,
}

/// How much may wait for a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// Waiting requests of all sessions.
    pub requests_max: u32,
    /// Open requests of one session.
    pub per_session_max: u32,
}

/// How much may wait for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxConfig {
    /// Frames.
    pub frames_max: u32,
    /// Bytes.
    pub bytes_max: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            drain_ms: DRAIN_MS,
            client_frame_bytes_max: CLIENT_FRAME_BYTES_MAX,
            uids: Vec::new(),
            defaults: ModelDefaults {
                n_ctx: 8192,
                slots: SLOTS,
                threads: None,
                step_ms_max: STEP_MS,
                idle_cells: None,
            },
            models: BTreeMap::new(),
            queue: QueueConfig { requests_max: QUEUE_REQUESTS, per_session_max: PER_SESSION },
            outbox: OutboxConfig { frames_max: OUTBOX_FRAMES, bytes_max: OUTBOX_BYTES },
        }
    }
}

/// Something about a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong or odd, and what to do.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

/// Why there is no configuration; exit code 78.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path:?} cannot be read: {cause}")]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The file is larger than any configuration.
    #[error("{path:?} is larger than {CONFIG_BYTES_MAX} bytes")]
    Large {
        /// Its path.
        path: PathBuf,
    },
    /// Values are wrong.
    #[error("{path:?} is wrong: {}; `core-broker check --config` tells all", .findings[0])]
    Wrong {
        /// Its path.
        path: PathBuf,
        /// What, by line; at least one.
        findings: Vec<Finding>,
    },
}

/// Reads and checks a file; the second value is what is odd but allowed.
///
/// # Errors
/// [`ConfigError`].
pub fn load(path: &Path) -> Result<(Config, Vec<Finding>), ConfigError> {
    let text = read(path)?;
    parse(&text).map_err(|findings| ConfigError::Wrong { path: path.into(), findings })
}

/// Loads the named file, which must be there, or else core.toml of the root directory, which need
/// not; the first value is what was read.
///
/// # Errors
/// [`ConfigError`].
pub fn find(
    named: Option<&Path>,
    root: &Path,
) -> Result<(Option<PathBuf>, Config, Vec<Finding>), ConfigError> {
    let usual = root.join("core.toml");
    let path = match named {
        Some(path) => std::path::absolute(path).unwrap_or_else(|_| path.into()),
        None if usual.exists() => usual,
        None => return Ok((None, Config::default(), Vec::new())),
    };
    load(&path).map(|(config, odd)| (Some(path), config, odd))
}

/// Checks the text of a configuration.
///
/// # Errors
/// What is wrong, by line; at least one finding.
pub fn parse(text: &str) -> Result<(Config, Vec<Finding>), Vec<Finding>> {
    let lines = check::Lines::of(text);
    let raw: raw::Config = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| lines.of_byte(span.start));
        vec![Finding { line, text: error.message().replace('\n', " ") }]
    })?;
    check::check(raw, &lines)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let failed = |cause| ConfigError::Read { path: path.into(), cause };
    // A FIFO of that name must not hold up the broker, which reads the file again while it serves.
    let file = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = file.map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is no regular file")));
    }
    let mut text = String::new();
    let read = file.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if u64::try_from(read).is_ok_and(|bytes| bytes <= CONFIG_BYTES_MAX) {
        Ok(text)
    } else {
        Err(ConfigError::Large { path: path.into() })
    }
}
