//! What the file says of memory, in mebibytes.

use core_wire::limits::STATE_BYTES_MAX;

use super::{CacheConfig, MemoryConfig, check::Findings, raw};

/// Bytes of a mebibyte.
const MIB: u64 = 1 << 20;
/// The least budget: a worker of the smallest model takes some 30 MiB.
const BUDGET_MIB_MIN: u64 = 32;
/// The largest number of mebibytes: 16 tebibytes, more than any host has that this is built for.
const MIB_MAX: u64 = 1 << 24;

pub(super) fn memory(raw: &raw::Memory, found: &mut Findings<'_>) -> MemoryConfig {
    let budget =
        found.within("memory.budget_mib", raw.budget_mib.as_ref(), BUDGET_MIB_MIN..=MIB_MAX);
    let vram = found.within("memory.vram_mib", raw.vram_mib.as_ref(), 0..=MIB_MAX);
    MemoryConfig {
        budget_bytes: budget.map(|mib| mib * MIB),
        vram_bytes: vram.map(|mib| mib * MIB),
    }
}

pub(super) fn cache(raw: &raw::Cache, base: CacheConfig, found: &mut Findings<'_>) -> CacheConfig {
    let context_max = STATE_BYTES_MAX as u64 / MIB;
    let quota = found.within("cache.quota_mib", raw.quota_mib.as_ref(), 0..=MIB_MAX);
    let context = found.within("cache.context_mib", raw.context_mib.as_ref(), 1..=context_max);
    CacheConfig {
        quota_bytes: quota.map_or(base.quota_bytes, |mib| mib * MIB),
        context_bytes_max: context.map_or(base.context_bytes_max, |mib| mib * MIB),
    }
}
