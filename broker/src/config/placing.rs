//! What the file says of where a model lies, and for how long.

use core_wire::{
    limits::{ADAPTER_SCALE_MAX, MODEL_FILES_MAX},
    worker::{KvType, Weights},
};
use toml::Spanned;

use super::{Adapter, GpuLayers, Keep, check::Findings, model::beneath, raw};

/// The longest keep-alive: a year.
const KEEP_ALIVE_S_MAX: u32 = 366 * 24 * 60 * 60;
/// Layers of a model at most; the deepest published ones have some 130.
const LAYERS_MAX: u32 = 1024;

pub(super) fn keep_alive(value: Option<&Spanned<u32>>, found: &mut Findings<'_>) -> Option<u32> {
    found.within("keep_alive_s", value, 0..=KEEP_ALIVE_S_MAX)
}

/// The class in which a model waits to be evicted; pinned ones never do.
pub(super) fn keep(raw: &raw::Model, found: &mut Findings<'_>) -> Keep {
    let words = [("low", Keep::Low), ("normal", Keep::Normal), ("high", Keep::High)];
    let keep = word("keep", raw.keep.as_ref(), &words, found);
    let pinned = raw.pinned.as_ref().filter(|pinned| *pinned.get_ref());
    let Some(pinned) = pinned else {
        return keep.unwrap_or_default();
    };
    for (name, contradicts) in
        [("keep", keep.is_some()), ("keep_alive_s", raw.keep_alive_s.is_some())]
    {
        if contradicts {
            found.wrong(pinned, format!("a pinned model has no {name}: it is never unloaded"));
        }
    }
    Keep::Pinned
}

pub(super) fn kv(value: Option<&Spanned<String>>, found: &mut Findings<'_>) -> Option<KvType> {
    let words = [("f16", KvType::F16), ("q8_0", KvType::Q8), ("q4_0", KvType::Q4)];
    word("kv", value, &words, found)
}

/// Where weights lie; `None` is also what `auto` says.
pub(super) fn weights(
    value: Option<&Spanned<String>>,
    found: &mut Findings<'_>,
) -> Option<Weights> {
    let words =
        [("auto", None), ("shared", Some(Weights::Shared)), ("repacked", Some(Weights::Repacked))];
    word("weights", value, &words, found).flatten()
}

pub(super) fn gpu_layers(
    value: Option<&Spanned<raw::GpuLayers>>,
    found: &mut Findings<'_>,
) -> Option<GpuLayers> {
    let value = value?;
    match value.get_ref() {
        raw::GpuLayers::Number(layers @ 0..=LAYERS_MAX) => Some(GpuLayers::Exactly(*layers)),
        raw::GpuLayers::Word(word) if word == "auto" => Some(GpuLayers::Auto),
        raw::GpuLayers::Word(word) if word == "all" => Some(GpuLayers::All),
        raw::GpuLayers::Word(word) if word == "none" => Some(GpuLayers::Exactly(0)),
        raw::GpuLayers::Number(_) | raw::GpuLayers::Word(_) => {
            let text = format!("gpu_layers is auto, all, none, or 0 to {LAYERS_MAX}");
            found.wrong(value, text);
            None
        }
    }
}

pub(super) fn adapters(raw: &[raw::Adapter], found: &mut Findings<'_>) -> Vec<Adapter> {
    if let Some(over) = raw.get(MODEL_FILES_MAX - 1) {
        let text = format!("{} adapters; a model has {MODEL_FILES_MAX} files at most", raw.len());
        found.wrong(&over.file, text);
    }
    let adapters = raw.iter().filter_map(|adapter| {
        let file = beneath(&adapter.file, "models/", found)?;
        let scale = adapter.scale.as_ref();
        let scale = scale.map_or(Some(1.0), |scale| {
            let range = -ADAPTER_SCALE_MAX..=ADAPTER_SCALE_MAX;
            found.within("scale", Some(scale), range)
        })?;
        Some(Adapter { file, scale })
    });
    adapters.collect()
}

/// The value that a word stands for.
fn word<T: Copy>(
    name: &str,
    value: Option<&Spanned<String>>,
    words: &[(&str, T)],
    found: &mut Findings<'_>,
) -> Option<T> {
    let value = value?;
    let known = words.iter().find(|(word, _)| word == value.get_ref());
    if known.is_none() {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let text = format!("{name} is {:?}; {} are known", value.get_ref(), words.join(", "));
        found.wrong(value, text);
    }
    known.map(|&(_, value)| value)
}
