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
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Defaults {
    pub n_ctx: Option<Spanned<u32>>,
    pub slots: Option<Spanned<u32>>,
    pub threads: Option<Spanned<u32>>,
    pub step_ms_max: Option<Spanned<u32>>,
    pub idle_cells: Option<Spanned<u32>>,
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
