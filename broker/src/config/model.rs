//! What the file says of models.

use std::{
    collections::BTreeMap,
    path::{Component, Path},
};

use core_wire::{
    ids::ModelId,
    limits::{CONTEXT_TOKENS_MAX, SLOTS_MAX, STEP_MS_MAX},
};
use toml::Spanned;

use super::{MODELS_MAX, ModelConfig, check::Findings, placing, raw};

/// Threads of a worker: more than any machine has that this is built for.
const THREADS_MAX: u32 = 1024;
/// Shortest context: a prompt of a few words and a few tokens.
const CONTEXT_TOKENS_MIN: u32 = 64;

pub(super) fn models(
    raw: BTreeMap<String, Spanned<raw::Model>>,
    found: &mut Findings<'_>,
) -> BTreeMap<ModelId, ModelConfig> {
    let count = raw.len();
    let mut models = BTreeMap::new();
    for (name, table) in raw {
        match ModelId::try_from(name) {
            Err(bad) => found.wrong(&table, bad.to_string()),
            Ok(_) if models.len() == MODELS_MAX => {
                found.wrong(&table, format!("{count} models; at most {MODELS_MAX} are allowed"));
                break;
            }
            Ok(id) => {
                let checked = model(&table, found);
                models.insert(id, checked);
            }
        }
    }
    models
}

fn model(table: &Spanned<raw::Model>, found: &mut Findings<'_>) -> ModelConfig {
    let raw = table.get_ref();
    ModelConfig {
        file: raw.file.as_ref().and_then(|file| beneath(file, "models/", found)),
        n_ctx: n_ctx(raw.n_ctx.as_ref(), found),
        slots: slots(raw.slots.as_ref(), found),
        threads: threads(raw.threads.as_ref(), found),
        step_ms_max: step_ms_max(raw.step_ms_max.as_ref(), found),
        idle_cells: idle_cells(raw.idle_cells.as_ref(), found),
        sha256: raw.sha256.as_ref().and_then(|hex| sha256(hex, found)),
        tokenizer: raw.tokenizer.as_ref().and_then(|file| beneath(file, "tokenizers/", found)),
        adapters: placing::adapters(&raw.adapters, found),
        keep_alive_s: placing::keep_alive(raw.keep_alive_s.as_ref(), found),
        keep: placing::keep(raw, found),
        preload: raw.preload.as_ref().is_some_and(|preload| *preload.get_ref()),
        standby: raw.standby.as_ref().is_some_and(|standby| *standby.get_ref()),
        kv: placing::kv(raw.kv.as_ref(), found),
        weights: placing::weights(raw.weights.as_ref(), found),
        gpu_layers: placing::gpu_layers(raw.gpu_layers.as_ref(), found),
    }
}

/// The openat2 of the loader refuses the same later; here it is told with its line.
pub(super) fn beneath(
    file: &Spanned<impl AsRef<Path>>,
    folder: &str,
    found: &mut Findings<'_>,
) -> Option<String> {
    let path = file.get_ref().as_ref();
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    match path.to_str() {
        Some(text) if plain && !text.is_empty() && !text.contains('\0') => {
            if path.extension().is_none_or(|end| end != "gguf") {
                found.odd(file, format!("{text:?} does not end in .gguf"));
            }
            Some(text.into())
        }
        _ => {
            let text = "relative, without `..`, `.` and NUL";
            found.wrong(file, format!("file {path:?} is no name beneath {folder}: {text}"));
            None
        }
    }
}

fn sha256(hex: &Spanned<String>, found: &mut Findings<'_>) -> Option<[u8; 32]> {
    let parsed = digest(hex.get_ref());
    if parsed.is_none() {
        found.wrong(hex, "sha256 needs 64 hexadecimal digits, as sha256sum prints them".into());
    }
    parsed
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if hex.len() != 2 * digest.len() || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in digest.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&hex[at..at + 2], 16).ok()?;
    }
    Some(digest)
}

pub(super) fn n_ctx(value: Option<&Spanned<u32>>, found: &mut Findings<'_>) -> Option<u32> {
    found.within("n_ctx", value, CONTEXT_TOKENS_MIN..=CONTEXT_TOKENS_MAX)
}

pub(super) fn slots(value: Option<&Spanned<u32>>, found: &mut Findings<'_>) -> Option<u32> {
    found.within("slots", value, 1..=SLOTS_MAX)
}

pub(super) fn threads(value: Option<&Spanned<u32>>, found: &mut Findings<'_>) -> Option<u32> {
    found.within("threads", value, 1..=THREADS_MAX)
}

pub(super) fn step_ms_max(value: Option<&Spanned<u32>>, found: &mut Findings<'_>) -> Option<u32> {
    found.within("step_ms_max", value, 1..=STEP_MS_MAX)
}

pub(super) fn idle_cells(value: Option<&Spanned<u32>>, found: &mut Findings<'_>) -> Option<u32> {
    found.within("idle_cells", value, 0..=CONTEXT_TOKENS_MAX)
}
