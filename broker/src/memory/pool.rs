//! What workers may take: how much one is granted, and how much there is.
//!
//! A worker's needs are what a locked-down inspector said of its model. They may be a lie of a file
//! that took the inspector over, and that helps nobody: what is granted is what is enforced, so one
//! that says too little is killed when it takes more, and one that says too much finds no room.

#[cfg(test)]
mod tests;

use std::fs;

use core_ring::Layout;
use core_wire::worker::{KIND_MAX, Needs};

use crate::config::MemoryConfig;

/// Which part of all that it needs a worker may take beyond it: the estimate is within a tenth of
/// the measured peak.
const MARGIN_SHARE: u64 = 8;

/// What a worker may take beside that: prompts and answers on their way, candidates of the sampler
/// for each slot, grammars, and what malloc keeps of all of it.
const MARGIN_BYTES: u64 = 16 << 20;

/// Private memory of a worker without its vocabulary: the engine, its libraries and malloc.
/// Measured with 1,024 tokens: 5 MB.
const VOCABULARY_BASE_BYTES: u64 = 32 << 20;

/// Private memory of one token of a vocabulary: its text twice, a hash table, its merges, and a
/// grammar's trie. Measured with 32,768 tokens: 270 bytes.
const VOCABULARY_TOKEN_BYTES: u64 = 1 << 10;

/// The same for one byte of a file of which nobody knows yet how many tokens it holds; a token
/// takes some 30 bytes there.
const VOCABULARY_FILE_FACTOR: u64 = 32;

/// Private memory of a vocabulary at most, where nobody knows: the largest that is usual has 256k
/// tokens.
const VOCABULARY_BYTES_MAX: u64 = 256 << 20;

/// Private memory of an inspector at most: the metadata and the vocabulary of the largest models,
/// twice, and room for the logits of many slots.
const INSPECTOR_BYTES: u64 = 1 << 30;

/// Stack of a thread as the C library maps it; little of it is ever touched, and the kernel counts
/// all of it as data.
const THREAD_STACK_BYTES: u64 = core_policy::limits::STACK;

/// What is mapped for writing and not touched: heaps that malloc extends ahead, buffers of the
/// engine that a small prompt does not fill. Measured: 35 MB beside 8 MB that are used.
const UNTOUCHED_BYTES: u64 = 64 << 20;

/// Budget where the host does not say what it has: what a small machine can spare.
const BUDGET_UNKNOWN_BYTES: u64 = 1 << 30;

/// The share of the host's memory that workers may take, unless configured: four fifths.
const BUDGET_SHARE: (u64, u64) = (4, 5);

/// Memory of the host at most, for the sums.
const TOTAL_BYTES_MAX: u64 = 1 << 50;

/// What one worker may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Weights in the page cache.
    mapped_bytes: u64,
    /// Memory of its own.
    private_bytes: u64,
    /// What of that is for a saved context on its way.
    state_bytes: u64,
    /// Threads of the process at most.
    threads: u32,
}

impl Grant {
    /// For a worker that serves a model. `state_bytes_max` is the largest saved context that it may
    /// be asked for, which lies in its memory on its way.
    pub(crate) fn of_model(needs: &Needs, threads: u32, state_bytes_max: u64) -> Self {
        let needed = needs.private_total();
        let margin = needs.host_total() / MARGIN_SHARE + MARGIN_BYTES;
        let state_bytes = needs.context.min(state_bytes_max);
        let private_bytes = needed.saturating_add(margin).saturating_add(state_bytes);
        Self { mapped_bytes: needs.mapped, private_bytes, state_bytes, threads }
    }

    /// For a worker that holds a vocabulary of so many tokens, where that is known, out of files of
    /// so many bytes.
    pub(crate) fn of_vocabulary(n_vocab: Option<u32>, file_bytes: u64) -> Self {
        let guess = file_bytes.saturating_mul(VOCABULARY_FILE_FACTOR).min(VOCABULARY_BYTES_MAX);
        let tokens = n_vocab.map_or(guess, |tokens| u64::from(tokens) * VOCABULARY_TOKEN_BYTES);
        let private_bytes = VOCABULARY_BASE_BYTES + tokens;
        Self { mapped_bytes: 0, private_bytes, state_bytes: 0, threads: 1 }
    }

    /// For the throwaway worker that compares CPU variants.
    pub(crate) fn of_chooser() -> Self {
        Self::of_vocabulary(Some(0), 0)
    }

    /// For a throwaway worker that reads metadata. It belongs to no model and is gone in a moment,
    /// so no memory is set aside for it; this is only what it may not go beyond.
    pub(crate) fn of_inspector() -> Self {
        Self { mapped_bytes: 0, private_bytes: INSPECTOR_BYTES, state_bytes: 0, threads: 1 }
    }

    /// All of it, page cache included.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.private_bytes.saturating_add(self.mapped_bytes)
    }

    /// What of it is the worker's own; it is killed when it touches more.
    pub(crate) fn private_bytes(&self) -> u64 {
        self.private_bytes
    }

    /// What the engine's state of a saved context may take there: no context has more than all its
    /// keys and values.
    pub(crate) fn state_bytes(&self) -> u64 {
        self.state_bytes
    }

    /// The limit that the kernel holds it to (`RLIMIT_DATA`): mapped for writing, touched or not.
    pub(crate) fn data_max_bytes(&self) -> u64 {
        // One more for a thread that the engine's libraries may start.
        let stacks = (u64::from(self.threads) + 1) * THREAD_STACK_BYTES;
        self.private_bytes.saturating_add(stacks + UNTOUCHED_BYTES)
    }
}

/// What all workers together may take, page cache included.
pub(crate) fn budget_bytes(config: &MemoryConfig) -> u64 {
    config.budget_bytes.unwrap_or_else(|| share(host_bytes()))
}

fn share(host_bytes: Option<u64>) -> u64 {
    let (part, of) = BUDGET_SHARE;
    host_bytes.map_or(BUDGET_UNKNOWN_BYTES, |bytes| bytes.min(TOTAL_BYTES_MAX) * part / of)
}

/// Memory of the host: `MemTotal` of /proc/meminfo, in kibibytes there.
fn host_bytes() -> Option<u64> {
    total_of(&fs::read_to_string("/proc/meminfo").ok()?)
}

fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Bytes of the rings of so many workers. They are never used for another worker, so there is no
/// pool of them: they come and go with it.
pub(crate) fn rings_bytes(workers: usize) -> u64 {
    let each = Layout::new(KIND_MAX).bytes();
    u64::try_from(each.saturating_mul(workers)).unwrap_or(u64::MAX)
}
