//! The configuration as it is used: every value in its range.

use std::collections::BTreeMap;

use core_wire::{
    ids::ModelId,
    limits::{CLIENT_FRAME_BYTES_MAX, STATE_BYTES_MAX},
    worker::KvType,
};

pub use super::settings::{Adapter, GpuLayers, Keep, ModelConfig, ModelDefaults};

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

/// Milliseconds that requests on the old weights of a swap have before they may have to give way,
/// unless configured: as long as a drain.
pub const SWAP_DRAIN_MS: u32 = DRAIN_MS;
/// Milliseconds that a worker with work may give no sign of life, unless configured (issue's bound:
/// ten seconds, or twenty of its steps).
pub const WATCHDOG_MS: u32 = 10_000;
/// The shortest and the longest such time: a step of the largest models takes some seconds.
pub const WATCHDOG_MS_RANGE: (u32, u32) = (1_000, 60 * 60 * 1000);
/// Milliseconds that a detached request is kept for, unless configured: a program's restart.
pub const DETACH_MS: u32 = 60_000;
/// The longest such time: a day.
pub const DETACH_MS_MAX: u32 = 24 * 60 * 60 * 1000;
/// Bytes of all saved contexts, unless configured: sixteen of the usual size.
pub const CACHE_QUOTA: u64 = 4 << 30;
/// Bytes of one saved context, unless configured: 2,000 tokens of a model with 32 layers.
pub const CACHE_CONTEXT: u64 = 256 << 20;

/// The configuration, checked.
#[derive(Clone, Debug, PartialEq)]
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
    /// What workers may take.
    pub memory: MemoryConfig,
    /// What saved contexts may take.
    pub cache: CacheConfig,
    /// Milliseconds that requests on old weights have at least when a model is swapped and both do
    /// not fit beside each other.
    pub swap_drain_ms: u32,
    /// Milliseconds that a worker with work may give no sign of life at least; longer where its
    /// steps are known to take long.
    pub watchdog_ms: u32,
    /// Milliseconds that a detached request is kept for after its connection has ended.
    pub detach_ms: u32,
}

/// What workers may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryConfig {
    /// Bytes for all workers together, page cache included; `None` takes four fifths of what the
    /// host has.
    pub budget_bytes: Option<u64>,
    /// Bytes of each GPU; `None` takes nine tenths of what is free.
    pub vram_bytes: Option<u64>,
}

/// What saved contexts may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// Bytes of all of them.
    pub quota_bytes: u64,
    /// Bytes of one, at most `STATE_BYTES_MAX`.
    pub context_bytes_max: u64,
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
                keep_alive_s: None,
                kv: KvType::F16,
                weights: None,
                gpu_layers: GpuLayers::Auto,
            },
            models: BTreeMap::new(),
            queue: QueueConfig { requests_max: QUEUE_REQUESTS, per_session_max: PER_SESSION },
            outbox: OutboxConfig { frames_max: OUTBOX_FRAMES, bytes_max: OUTBOX_BYTES },
            memory: MemoryConfig::default(),
            cache: CacheConfig { quota_bytes: CACHE_QUOTA, context_bytes_max: CACHE_CONTEXT },
            swap_drain_ms: SWAP_DRAIN_MS,
            watchdog_ms: WATCHDOG_MS,
            detach_ms: DETACH_MS,
        }
    }
}

const _: () = assert!(CACHE_CONTEXT <= STATE_BYTES_MAX as u64);
