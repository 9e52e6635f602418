//! What /proc says of a live worker.

use std::{collections::BTreeSet, fs, time::Duration};

use core_policy::seccomp;
use core_tests::harness::{Setup, processes};

use super::{busy, ensure, ready};

pub(super) fn descriptors() -> Setup<()> {
    let (_broker, worker) = ready()?;
    let found = processes::descriptors(worker);
    let numbers: Vec<u32> = found.iter().map(|(fd, _)| *fd).collect();
    let kinds_fit = found.iter().zip(["/dev/null", "/dev/null", "pipe:", "anon_inode:[eventfd]"]);
    let fits = kinds_fit.into_iter().all(|((_, target), kind)| target.starts_with(kind));
    ensure(numbers == [0, 1, 2, 3] && fits, || format!("{found:?}"))
}

pub(super) fn no_terminal() -> Setup<()> {
    let (_broker, worker) = ready()?;
    let stat = fs::read_to_string(format!("/proc/{worker}/stat"))?;
    // After the name in parentheses: state, parent, group, session, terminal.
    let after = stat.rsplit_once(") ").ok_or("a stat line without a name")?.1;
    let fields: Vec<&str> = after.split(' ').collect();
    let own_session = fields.get(3) == Some(&worker.to_string().as_str());
    ensure(own_session && fields.get(4) == Some(&"0"), || stat.clone())
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
    let (_broker, worker) = ready()?;
    let text = fs::read_to_string(format!("/proc/{worker}/limits"))?;
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        let words: Vec<&str> = line[name.len().min(line.len())..].split_whitespace().collect();
        (words.first().copied().map(str::to_owned), words.get(1).copied().map(str::to_owned))
    };
    for name in ["Max file size", "Max core file size", "Max locked memory"] {
        let (soft, hard) = value(name);
        ensure(soft.is_some() && soft == hard, || format!("{name}: {soft:?} {hard:?}"))?;
    }
    let zero = Some("0".to_owned());
    ensure(value("Max file size").0 == zero && value("Max core file size").0 == zero, || {
        text.clone()
    })
}

pub(super) fn threads() -> Setup<()> {
    let (broker, worker) = busy()?;
    let own: usize = field(broker.pid(), broker.pid(), "Seccomp_filters")?.parse()?;
    let filters = (own + seccomp::worker_filters()).to_string();
    let arguments = ["run", "long", "Once", "-n", "8000", "--ignore-eos", "--temp", "0"];
    let mut load =
        broker.corectl_command(&arguments).stdout(std::process::Stdio::null()).spawn()?;
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        for tid in processes::tasks(worker) {
            seen.insert(tid);
            thread_is_locked(worker, tid, &filters)?;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = load.kill();
    load.wait()?;
    ensure(!seen.is_empty(), || "no thread was seen".into())
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
    let (broker, worker) = ready()?;
    for name in ["net", "user", "ipc", "uts", "cgroup"] {
        let of = |pid| fs::read_link(format!("/proc/{pid}/ns/{name}"));
        ensure(of(worker)? != of(broker.pid())?, || format!("{name} is shared"))?;
    }
    Ok(())
}

fn field(pid: u32, tid: u32, name: &str) -> Setup<String> {
    Ok(processes::task_field(pid, tid, name).ok_or_else(|| format!("no {name} of {tid}"))?)
}
