//! Looking at the memory that a process uses, and whether the kernel has any left.

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

    /// Whether a process has ended and nobody has waited for it yet: its memory goes first, before
    /// its descriptors, and no process that runs is without.
    pub(crate) fn has_ended(pid: u32) -> bool {
        Self::of(pid).is_some_and(|memory| memory.all == 0)
    }

    fn read(statm: &str, page: u64) -> Option<Self> {
        let mut pages = statm.split_whitespace().skip(1).map(|number| number.parse::<u64>().ok());
        let (all, shared) = (pages.next()??, pages.next()??);
        let bytes = |pages: u64| pages.saturating_mul(page);
        Some(Self { all: bytes(all), private: bytes(all.saturating_sub(shared)) })
    }
}

/// How many processes the kernel had ended for lack of memory, when that was looked at twice.
///
/// The counter is of the whole host and all its memory cgroups (`oom_kill` of /proc/vmstat, Linux
/// 4.13), and the kernel raises it before it sends SIGKILL. So a SIGKILL that comes while it moves
/// may still be somebody else's; one that comes while it stands was not for lack of memory. Each
/// kill that was counted explains one death at most, so that others' lack of memory is taken for
/// our workers' as rarely as can be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OomKills {
    /// At the last look but one: the last may fall between the counter and the end of a process.
    before: Option<u64>,
    last: Option<u64>,
}

impl OomKills {
    /// As it is now.
    pub(crate) fn now() -> Self {
        let now = read_oom_kills();
        Self { before: now, last: now }
    }

    /// Looks again.
    pub(crate) fn look(&mut self) {
        self.before = self.last;
        self.last = read_oom_kills();
    }

    /// The number of the kill that explains a death now, if it has moved since the last look but
    /// one beyond those that have `explained` others; none where the kernel does not tell.
    pub(crate) fn explains(self, explained: u64) -> Option<u64> {
        self.explains_at(read_oom_kills(), explained)
    }

    fn explains_at(self, now: Option<u64>, explained: u64) -> Option<u64> {
        let (now, before) = now.zip(self.before)?;
        let next = before.max(explained) + 1;
        (now >= next).then_some(next)
    }
}

fn read_oom_kills() -> Option<u64> {
    oom_kills_of(&fs::read_to_string("/proc/vmstat").ok()?)
}

fn oom_kills_of(vmstat: &str) -> Option<u64> {
    let mut lines = vmstat.lines();
    lines.find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}
