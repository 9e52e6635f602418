//! Bounded reading of /proc.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Most bytes that are read of one file. A status file has about 1.5 KiB, and its longest line is
/// the list of allowed processors, which is below 1 KiB for 8,192 processors.
const FILE_MAX: u64 = 64 << 10;

/// Most threads that are looked at: above the limit that a worker has ([`crate::limits::NPROC`]).
pub(super) const TASKS_MAX: usize = 4096;

/// What a status file says, as far as it concerns the lockdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Number of threads of the process.
    pub threads: u32,
    /// 0 no seccomp, 1 strict, 2 filter.
    pub seccomp: Option<u32>,
    /// Number of filters (Linux 5.9).
    pub filters: Option<u32>,
    /// Whether exec can add privileges: 1 is no.
    pub no_new_privs: Option<u32>,
    /// Effective capabilities.
    pub cap_effective: Option<u64>,
    /// Permitted capabilities.
    pub cap_permitted: Option<u64>,
    /// Inheritable capabilities.
    pub cap_inheritable: Option<u64>,
    /// Ambient capabilities.
    pub cap_ambient: Option<u64>,
    /// Bounding set.
    pub cap_bounding: Option<u64>,
    /// Real, effective, saved and file-system uid.
    pub uids: Vec<u32>,
}

impl Status {
    /// The status of this process.
    ///
    /// # Errors
    /// The error of reading it.
    pub fn own() -> io::Result<Self> {
        Self::read(Path::new("/proc/self/status"))
    }

    /// Reads a status file.
    ///
    /// # Errors
    /// The error of reading; a line that is missing or not a number is `None`.
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(Self::parse(&text(path)?))
    }

    /// Reads the lines of a status file. The command's name is the first line and may hold anything
    /// but a newline, which the kernel escapes, so no worker can forge a line.
    pub(super) fn parse(text: &str) -> Self {
        let mut lines = BTreeMap::new();
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            lines.entry(key).or_insert(value.trim());
        }
        let number = |key: &str| lines.get(key).and_then(|value| value.parse().ok());
        let mask = |key: &str| lines.get(key).and_then(|v| u64::from_str_radix(v, 16).ok());
        let uids = lines.get("Uid").copied().unwrap_or_default();
        Self {
            threads: number("Threads").unwrap_or(0),
            seccomp: number("Seccomp"),
            filters: number("Seccomp_filters"),
            no_new_privs: number("NoNewPrivs"),
            cap_effective: mask("CapEff"),
            cap_permitted: mask("CapPrm"),
            cap_inheritable: mask("CapInh"),
            cap_ambient: mask("CapAmb"),
            cap_bounding: mask("CapBnd"),
            uids: uids.split_whitespace().filter_map(|uid| uid.parse().ok()).collect(),
        }
    }

    /// Whether all sets but the bounding one are known and empty.
    pub fn caps_empty(&self) -> bool {
        let sets = [self.cap_effective, self.cap_permitted, self.cap_inheritable, self.cap_ambient];
        sets == [Some(0); 4]
    }
}

/// Reads a small file of /proc.
pub(super) fn text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The status of every thread of a process.
pub(super) fn tasks(process: &Path) -> io::Result<Vec<Status>> {
    let mut tasks = Vec::new();
    for entry in fs::read_dir(process.join("task"))?.take(TASKS_MAX) {
        tasks.push(Status::read(&entry?.path().join("status"))?);
    }
    Ok(tasks)
}

/// Soft and hard value of a limit, `None` for unlimited, by its name in /proc/PID/limits.
pub(super) fn limit(limits: &str, name: &str) -> Option<(Option<u64>, Option<u64>)> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    let mut values = line.split_whitespace().map(|value| match value {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    });
    Some((values.next()??, values.next()??))
}
