//! What the tests ask of a worker, and where its files are.

use std::path::{Path, PathBuf};

use core_wire::worker::{
    Purpose, Sampling,
    config::{KvType, Load, Serve, Weights},
    job::EndOfGeneration,
};

use super::THREADS;

/// The folder of the libraries, beside the binary.
pub(crate) fn engine() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_core-worker")).with_file_name("engine")
}

/// All CPU variants, sorted.
pub(crate) fn variants() -> Vec<String> {
    let entries = std::fs::read_dir(engine()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path().to_str().unwrap().to_owned());
    let mut paths: Vec<_> = paths.filter(|path| path.contains("libggml-cpu-")).collect();
    paths.sort();
    paths
}

/// A plan that all tests start from.
pub(crate) fn serve(change: impl FnOnce(&mut Serve)) -> Purpose {
    let mut plan = Serve {
        variant: engine().join("libggml-cpu-x64.so").to_str().unwrap().to_owned(),
        backends: Vec::new(),
        parts: 1,
        adapters: Vec::new(),
        load: Load::Weights,
        n_ctx: 512,
        slots: 4,
        threads: THREADS,
        n_batch: 64,
        n_ubatch: 64,
        step_ms_max: 100,
        idle_cells_max: 64,
        kv: KvType::F16,
        weights: Weights::Shared,
        gpu_layers: 0,
    };
    change(&mut plan);
    Purpose::Serve(plan)
}

/// The model that ships.
pub(crate) fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/model/story.gguf")
}

/// The model that ships, or the one that `CORE_TEST_MODEL` names.
pub(crate) fn model() -> PathBuf {
    std::env::var_os("CORE_TEST_MODEL").map_or_else(shipped, PathBuf::from)
}

/// Greedy, so many tokens.
pub(crate) fn greedy(max_tokens: u32) -> Sampling {
    Sampling {
        max_tokens,
        temperature: 0.0,
        top_k: 40,
        top_p: 0.95,
        min_p: 0.05,
        seed: 1,
        stop: Vec::new(),
        end: EndOfGeneration::IsAToken,
        ..Sampling::default()
    }
}
