//! The file as it stands: names, types and places, no ranges.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Config {
    pub drain_ms: Option<Spanned<u32>>,
    pub client_frame_bytes_max: Option<Spanned<usize>>,
    pub uids: Vec<Spanned<u32>>,
    pub defaults: Defaults,
    pub models: BTreeMap<String, Spanned<Model>>,
    pub queue: Queue,
    pub outbox: Outbox,
    pub memory: Memory,
    pub cache: Cache,
    pub swap_drain_ms: Option<Spanned<u32>>,
    pub watchdog_ms: Option<Spanned<u32>>,
    pub detach_ms: Option<Spanned<u32>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Memory {
    pub budget_mib: Option<Spanned<u64>>,
    pub vram_mib: Option<Spanned<u64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Cache {
    pub quota_mib: Option<Spanned<u64>>,
    pub context_mib: Option<Spanned<u64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Defaults {
    pub n_ctx: Option<Spanned<u32>>,
    pub slots: Option<Spanned<u32>>,
    pub threads: Option<Spanned<u32>>,
    pub step_ms_max: Option<Spanned<u32>>,
    pub idle_cells: Option<Spanned<u32>>,
    pub keep_alive_s: Option<Spanned<u32>>,
    pub kv: Option<Spanned<String>>,
    pub weights: Option<Spanned<String>>,
    pub gpu_layers: Option<Spanned<GpuLayers>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Model {
    pub file: Option<Spanned<PathBuf>>,
    pub n_ctx: Option<Spanned<u32>>,
    pub slots: Option<Spanned<u32>>,
    pub threads: Option<Spanned<u32>>,
    pub step_ms_max: Option<Spanned<u32>>,
    pub idle_cells: Option<Spanned<u32>>,
    pub sha256: Option<Spanned<String>>,
    pub tokenizer: Option<Spanned<PathBuf>>,
    pub adapters: Vec<Adapter>,
    pub keep_alive_s: Option<Spanned<u32>>,
    pub keep: Option<Spanned<String>>,
    pub preload: Option<Spanned<bool>>,
    pub pinned: Option<Spanned<bool>>,
    pub standby: Option<Spanned<bool>>,
    pub kv: Option<Spanned<String>>,
    pub weights: Option<Spanned<String>>,
    pub gpu_layers: Option<Spanned<GpuLayers>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Adapter {
    pub file: Spanned<PathBuf>,
    pub scale: Option<Spanned<f32>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum GpuLayers {
    Number(u32),
    Word(String),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Queue {
    pub requests_max: Option<Spanned<u32>>,
    pub per_session_max: Option<Spanned<u32>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Outbox {
    pub frames_max: Option<Spanned<u32>>,
    pub bytes_max: Option<Spanned<u32>>,
}
