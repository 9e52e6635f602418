//! What /proc says of a live worker. Each look takes the process it looks at, so that a worker
//! without a sandbox can be looked at as well and must fail (T04).

use std::{collections::BTreeSet, fs, time::Duration};

use core_policy::{limits, seccomp};
use core_tests::harness::{Setup, processes};

use super::{busy, ensure, ready};
use crate::skip::needs_root;

/// A process, and the one whose layers it must not share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) worker: u32,
    pub(crate) broker: u32,
}

/// A look at a process.
pub(crate) type Look = fn(Subject) -> Setup<()>;

/// Looks that a process without any layer must fail.
pub(crate) const LOOKS: [(&str, Look); 9] = [
    ("D01", descriptors_of),
    ("D03", terminal_of),
    ("F06", umask_of),
    ("R01", limits_of),
    ("R06", oom_of),
    ("N13", namespaces_of),
    ("N14", counters_of),
    ("P14", cores_of),
    ("P21", threads_of),
];

/// Makes a look at a worker of a fresh broker.
fn fresh(look: Look) -> Setup<()> {
    needs_root("looking at a process that is not dumpable")?;
    let (broker, worker) = ready()?;
    look(Subject { worker, broker: broker.pid() })
}

pub(super) fn descriptors() -> Setup<()> {
    fresh(descriptors_of)
}

fn descriptors_of(subject: Subject) -> Setup<()> {
    let found = processes::descriptors(subject.worker);
    let numbers: Vec<u32> = found.iter().map(|(fd, _)| *fd).collect();
    let kinds = ["/dev/null", "/dev/null", "pipe:", "anon_inode:[eventfd]"];
    let fits = found.iter().zip(kinds).all(|((_, target), kind)| target.starts_with(kind));
    ensure(numbers == [0, 1, 2, 3] && fits, || format!("{found:?}"))?;
    let log = fs::read_to_string(format!("/proc/{}/fdinfo/2", subject.worker))?;
    let flags = log.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or_default();
    let flags = i32::from_str_radix(flags.trim(), 8)?;
    ensure(flags & nix::libc::O_NONBLOCK != 0, || format!("the log pipe blocks: {flags:o}"))
}

/// N15, F26: among them is no socket, and no device but the one that is nothing.
pub(super) fn no_socket_no_device() -> Setup<()> {
    needs_root("looking at a process that is not dumpable")?;
    let (_broker, worker) = ready()?;
    for (fd, target) in processes::descriptors(worker) {
        let device = target.starts_with("/dev/") && target != "/dev/null";
        ensure(!device && !target.starts_with("socket:"), || format!("{fd} is {target}"))?;
    }
    Ok(())
}

pub(super) fn no_terminal() -> Setup<()> {
    fresh(terminal_of)
}

fn terminal_of(subject: Subject) -> Setup<()> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", subject.worker))?;
    // After the name in parentheses: state, parent, group, session, terminal.
    let after = stat.rsplit_once(") ").ok_or("a stat line without a name")?.1;
    let fields: Vec<&str> = after.split(' ').collect();
    let own_session = fields.get(3) == Some(&subject.worker.to_string().as_str());
    ensure(own_session && fields.get(4) == Some(&"0"), || stat.clone())
}

/// F06: should a file ever be made, nobody else may read it.
pub(super) fn umask() -> Setup<()> {
    fresh(umask_of)
}

fn umask_of(subject: Subject) -> Setup<()> {
    let umask = field(subject.worker, subject.worker, "Umask")?;
    ensure(umask == "0077", || format!("the umask is {umask}"))
}

pub(super) fn arguments() -> Setup<()> {
    let (broker, worker) = ready()?;
    let line = fs::read(format!("/proc/{worker}/cmdline"))?;
    let program = broker.install.program("core-worker");
    let text = String::from_utf8_lossy(&line);
    let words: Vec<&str> = text.split_terminator('\0').collect();
    let bare = words.len() == 1 && (program.ends_with(words[0]) || words[0] == "core-worker");
    ensure(bare || words == [program.to_string_lossy()], || text.to_string())
}

pub(super) fn limits() -> Setup<()> {
    fresh(limits_of)
}

fn limits_of(subject: Subject) -> Setup<()> {
    let text = fs::read_to_string(format!("/proc/{}/limits", subject.worker))?;
    let wanted = limits::WORKER_LIMITS.iter().chain([&limits::WORKER_NPROC]);
    for limit in wanted {
        let line = text.lines().find_map(|line| line.strip_prefix(limit.proc_name));
        let line = line.ok_or_else(|| format!("no line {}", limit.proc_name))?;
        let values: Vec<&str> = line.split_whitespace().take(2).collect();
        let [soft, hard] = values[..] else {
            return Err(format!("{}: {line}", limit.proc_name).into());
        };
        let held = soft == hard && soft.parse::<u64>().is_ok_and(|value| value <= limit.at_most);
        ensure(held, || format!("{}: {soft}, {hard}", limit.proc_name))?;
    }
    Ok(())
}

/// R06: the worker is offered to the kernel first, the broker is not.
pub(super) fn oom_score() -> Setup<()> {
    fresh(oom_of)
}

fn oom_of(subject: Subject) -> Setup<()> {
    let score = |pid, file: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}"))?;
        Ok::<i64, Box<dyn std::error::Error + Send + Sync>>(text.trim().parse()?)
    };
    let (worker, broker) =
        (score(subject.worker, "oom_score")?, score(subject.broker, "oom_score")?);
    let adjusted = score(subject.worker, "oom_score_adj")?;
    ensure(adjusted == 1000 && worker > broker, || {
        format!("the worker has {worker} by {adjusted}, the broker {broker}")
    })
}

/// P14: no core may be written, by size and because the process is hidden: its files belong to
/// root, and a kernel asks no handler for a process that is not dumpable (core(5)).
pub(super) fn no_core() -> Setup<()> {
    fresh(cores_of)
}

fn cores_of(subject: Subject) -> Setup<()> {
    let text = fs::read_to_string(format!("/proc/{}/limits", subject.worker))?;
    let line = text.lines().find(|line| line.starts_with("Max core file size"));
    let none = line.is_some_and(|line| line.split_whitespace().skip(4).take(2).eq(["0", "0"]));
    ensure(none, || format!("{line:?}"))?;
    let status = std::path::PathBuf::from(format!("/proc/{}/status", subject.worker));
    let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(status)?);
    let uid = processes::status_field(subject.worker, "Uid").unwrap_or_default();
    ensure(owner == 0 && !uid.starts_with('0'), || format!("dumpable: {owner}, runs as {uid}"))
}

pub(super) fn threads() -> Setup<()> {
    let (broker, worker) = busy()?;
    let arguments = ["run", "long", "Once", "-n", "8000", "--ignore-eos", "--temp", "0"];
    let mut load =
        broker.corectl_command(&arguments).stdout(std::process::Stdio::null()).spawn()?;
    let subject = Subject { worker, broker: broker.pid() };
    let looked = (0..20).try_for_each(|_| {
        std::thread::sleep(Duration::from_millis(20));
        threads_of(subject)
    });
    let _ = load.kill();
    load.wait()?;
    looked
}

fn threads_of(subject: Subject) -> Setup<()> {
    let own: usize = field(subject.broker, subject.broker, "Seccomp_filters")?.parse()?;
    let filters = (own + seccomp::worker_filters()).to_string();
    let tasks: BTreeSet<u32> = processes::tasks(subject.worker).into_iter().collect();
    ensure(!tasks.is_empty(), || "no thread was seen".into())?;
    tasks.into_iter().try_for_each(|tid| thread_is_locked(subject.worker, tid, &filters))
}

fn thread_is_locked(pid: u32, tid: u32, filters: &str) -> Setup<()> {
    let none = "0000000000000000";
    let wanted = [
        ("Seccomp", "2"),
        ("Seccomp_filters", filters),
        ("NoNewPrivs", "1"),
        ("CapEff", none),
        ("CapPrm", none),
        ("CapInh", none),
        ("CapAmb", none),
    ];
    for (name, value) in wanted {
        let found = field(pid, tid, name)?;
        ensure(found == value, || format!("thread {tid}: {name} is {found}, not {value}"))?;
    }
    Ok(())
}

pub(super) fn namespaces() -> Setup<()> {
    fresh(namespaces_of)
}

pub(crate) fn namespaces_of(subject: Subject) -> Setup<()> {
    for name in ["net", "user", "ipc", "uts", "cgroup"] {
        let of = |pid| fs::read_link(format!("/proc/{pid}/ns/{name}"));
        ensure(of(subject.worker)? != of(subject.broker)?, || format!("{name} is shared"))?;
    }
    Ok(())
}

/// N13, N14: its network has a loopback that is down, without an address, and nothing has passed.
pub(super) fn counters() -> Setup<()> {
    needs_root("looking at a process that is not dumpable")?;
    let (broker, worker) = busy()?;
    let output = broker.corectl(&["run", "long", "Once", "-n", "64", "--ignore-eos"]);
    ensure(output.code == 0, || format!("{output:?}"))?;
    counters_of(Subject { worker, broker: broker.pid() })
}

fn counters_of(subject: Subject) -> Setup<()> {
    let file = |name: &str| fs::read_to_string(format!("/proc/{}/net/{name}", subject.worker));
    let devices = file("dev")?;
    let lines: Vec<&str> = devices.lines().skip(2).collect();
    let [only] = lines[..] else {
        return Err(format!("{} interfaces", lines.len()).into());
    };
    let (name, numbers) = only.split_once(':').ok_or("a line without a name")?;
    let idle = numbers.split_whitespace().all(|number| number == "0");
    ensure(name.trim() == "lo" && idle, || only.into())?;
    let (v4, v6) = (file("fib_trie")?, file("if_inet6").unwrap_or_default());
    ensure(!v4.contains("127.0.0.1") && v6.is_empty(), || format!("{v4}{v6}"))?;
    for line in file("snmp")?.lines().filter(|line| line.starts_with("Udp:")).skip(1) {
        let idle = line.split_whitespace().skip(1).all(|number| number == "0");
        ensure(idle, || line.into())?;
    }
    Ok(())
}

fn field(pid: u32, tid: u32, name: &str) -> Setup<String> {
    Ok(processes::task_field(pid, tid, name).ok_or_else(|| format!("no {name} of {tid}"))?)
}
