//! Looking at processes from outside, through /proc.

use std::{
    fs,
    time::{Duration, Instant},
};

/// Milliseconds of a clock tick in /proc/PID/stat, the same on every architecture.
const MS_PER_TICK: u64 = 10;

/// A field of `/proc/PID/status`, trimmed; `None` when the process or the field is gone.
pub fn status_field(pid: u32, field: &str) -> Option<String> {
    task_field(pid, pid, field)
}

/// A field of `/proc/PID/task/TID/status`.
pub fn task_field(pid: u32, tid: u32, field: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

/// The CPU time that all threads of a process have used, in steps of 10 ms.
pub fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // utime and stime are the 12th and 13th fields after the name, which may hold anything.
    let fields = stat.rsplit_once(") ")?.1.split(' ').skip(11).take(2);
    let ticks: u64 = fields.map(str::parse::<u64>).sum::<Result<_, _>>().ok()?;
    Some(Duration::from_millis(ticks * MS_PER_TICK))
}

/// Every thread of a process.
pub fn tasks(pid: u32) -> Vec<u32> {
    numbers(&format!("/proc/{pid}/task"))
}

/// Every child of any thread of a process.
pub fn children(pid: u32) -> Vec<u32> {
    let lists = tasks(pid)
        .into_iter()
        .filter_map(|tid| fs::read_to_string(format!("/proc/{pid}/task/{tid}/children")).ok());
    lists.flat_map(|list| words(&list)).collect()
}

/// The children of a process that have come to run their program. Before that they are copies of
/// their parent, with its name and all that it has open, and it waits for them.
pub fn programs(pid: u32) -> Vec<u32> {
    let own = status_field(pid, "Name");
    let mut all = children(pid);
    all.retain(|&child| status_field(child, "Name").is_some_and(|name| Some(name) != own));
    all
}

/// Whether a process exists and is no zombie.
pub fn alive(pid: u32) -> bool {
    status_field(pid, "State").is_some_and(|state| !state.starts_with(['Z', 'X']))
}

/// What each open descriptor of a process is, by number.
pub fn descriptors(pid: u32) -> Vec<(u32, String)> {
    let mut found: Vec<_> = numbers(&format!("/proc/{pid}/fd"))
        .into_iter()
        .filter_map(|fd| {
            let target = fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok()?;
            Some((fd, target.to_string_lossy().into_owned()))
        })
        .collect();
    found.sort_unstable();
    found
}

/// Tries `probe` every few milliseconds until it answers, at most for `limit`.
pub fn wait_for<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        let found = probe();
        if found.is_some() || Instant::now() >= end {
            return found;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn numbers(dir: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn words(list: &str) -> Vec<u32> {
    list.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}
