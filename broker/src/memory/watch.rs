//! Looking at the memory that a process uses.

#[cfg(test)]
mod tests;

use std::fs;

use nix::unistd::{SysconfVar, sysconf};

/// Bytes of a page where the system does not say.
const PAGE_BYTES: u64 = 4096;

/// Resident memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resident {
    /// All of it.
    pub(crate) all: u64,
    /// What is its own: neither a file's pages nor shared memory.
    pub(crate) private: u64,
}

impl Resident {
    /// The memory of a process now; nothing of one that cannot be looked at.
    ///
    /// The second and third number of `/proc/PID/statm` are pages, resident and of those shared
    /// (man 5 proc_pid_statm); everybody may read it, whether the process is dumpable or not.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
        let page = page.and_then(|page| u64::try_from(page).ok()).unwrap_or(PAGE_BYTES);
        Self::read(&statm, page)
    }

    fn read(statm: &str, page: u64) -> Option<Self> {
        let mut pages = statm.split_whitespace().skip(1).map(|number| number.parse::<u64>().ok());
        let (all, shared) = (pages.next()??, pages.next()??);
        let bytes = |pages: u64| pages.saturating_mul(page);
        Some(Self { all: bytes(all), private: bytes(all.saturating_sub(shared)) })
    }
}
