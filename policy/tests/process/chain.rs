//! The whole chain: root is given up, the broker locks itself, execs a worker that locks itself,
//! and looks at it from outside. Then once more for every layer left out, which the look must
//! notice.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use core_policy::profile::Profile;
use core_policy::report::{How, Report, layer};
use core_policy::seccomp::{self, Stage};
use core_policy::{env, landlock, root, verify};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::absent;
use crate::chain_worker::{Shared, WORKER, Word};
use crate::domain::Root;
use crate::layout;
use crate::orphan;
use crate::outcome::{Case, Outcome, Side};
use crate::user::stranger;

/// Layers that a worker can be told to leave out, and the row that must then be missing.
const LEFT_OUT: [(&str, &str); 8] = [
    ("serve", "seccomp.serve"),
    ("load", "seccomp.load"),
    ("limits", "rlimits"),
    ("files", "fd-table"),
    ("thread", "single-thread"),
    ("hide", "dumpable"),
    ("data", "rlimits"),
    ("count", "seccomp.all-threads"),
];

/// Bytes of address space that the broker grants in these cases.
const DATA_MAX: u64 = 1 << 30;

pub(crate) fn cases() -> Vec<Case> {
    let ok = Outcome::Success;
    let mut cases = vec![
        Case::new("chain.whole", ok, None, |_| whole()),
        Case::new("chain.attack", ok, None, |_| attack()),
        Case::new("chain.degraded", ok, None, |_| degraded()),
        Case::new("chain.orphan", ok, None, |_| orphan::worker_dies()),
    ];
    cases.extend(LEFT_OUT.map(|(skip, row)| {
        Case::new(format!("chain.without-{skip}"), ok, None, move |_: Side| left_out(skip, row))
    }));
    cases
}

/// What the broker of a case holds of its worker.
pub(crate) struct Worker {
    child: Child,
    shared: Shared,
    log: File,
    expect: verify::Expect,
    report: Report,
}

/// Locks this process as the broker and checks itself.
pub(crate) fn broker() -> (Root, Report) {
    let root = Root::new();
    fs::set_permissions(root.directory.path(), Permissions::from_mode(0o755)).unwrap();
    for name in ["temp", "cache", "socket"] {
        chown(root.at(name), Some(stranger().uid()), None).unwrap();
    }
    let worker = root.at("bin/worker");
    fs::copy(std::env::current_exe().unwrap(), &worker).unwrap();
    fs::set_permissions(&worker, Permissions::from_mode(0o755)).unwrap();
    let mut report = Report::default();
    report.merge(root::give_up(stranger()).unwrap());
    report.merge(landlock::restrict_broker(&root.domain(&worker)).unwrap());
    report.merge([seccomp::install(Stage::Broker).unwrap()]);
    report.merge(verify::self_broker());
    assert!(report.missing_required().is_empty(), "{report:#?}");
    (root, report)
}

impl Worker {
    /// Lays out the descriptors, execs, and waits for LOCKED.
    pub(crate) fn start(root: &Root, skip: &str) -> Self {
        let shared = Shared::create();
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
        fcntl(&write, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let mut command = Command::new(root.at("bin/worker"));
        command.env_clear().envs(env::worker_env(2)).env("CORE_POLICY_SKIP", skip);
        command.env(crate::CHILD, WORKER);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(write);
        layout::descriptors(&mut command, &shared, &root.at("models/a.gguf"));
        let child = command.spawn().unwrap();
        drop(command);
        let data_max = (skip != "data").then_some(DATA_MAX);
        let expect = verify::Expect::worker(1, Some(DATA_MAX), Profile::Cpu).unwrap();
        let mut worker =
            Self { child, shared, log: read.into(), expect, report: Report::default() };
        worker.until(Word::Locked);
        data_max.into_iter().for_each(|bytes| worker.limit_data(bytes));
        let rows = verify::at_locked(worker.pid(), &worker.expect);
        worker.report.merge(rows);
        worker
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    fn until(&mut self, word: Word) {
        let child = &mut self.child;
        let alive = || matches!(child.try_wait(), Ok(None));
        if !self.shared.wait(word, alive) {
            self.child.kill().unwrap();
            let status = self.child.wait();
            let mut said = String::new();
            self.log.read_to_string(&mut said).unwrap();
            panic!("the worker did not reach {word:?}: {status:?}: {said}");
        }
    }

    fn limit_data(&self, bytes: u64) {
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
        // SAFETY: the limit outlives the call and the old one is not asked for.
        let set = unsafe {
            libc::prlimit(self.pid(), libc::RLIMIT_DATA, &raw const limit, std::ptr::null_mut())
        };
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    }

    /// Lets the worker go on and looks again at READY.
    pub(crate) fn go(&mut self) {
        self.shared.say(Word::Go);
        self.until(Word::Ready);
        let rows = verify::at_ready(self.pid(), &self.expect);
        self.report.merge(rows);
    }

    fn end(mut self, word: Word) -> (Report, Option<i32>) {
        self.shared.say(word);
        let status = self.child.wait().unwrap();
        let mut said = String::new();
        self.log.read_to_string(&mut said).unwrap();
        println!("{}", said.trim_end());
        (self.report, status.signal())
    }
}

fn whole() -> Outcome {
    let (root, _) = broker();
    let mut worker = Worker::start(&root, "nothing");
    let early = worker.report.missing_required().is_empty();
    worker.go();
    let (report, signal) = worker.end(Word::Leave);
    let outside = |name| report.row(name).is_some_and(|row| row.how == How::OutsideAtReady);
    let seen = [layer::SECCOMP_ALL_THREADS, layer::DUMPABLE, layer::RLIMITS].map(outside);
    let full = report.missing_required().is_empty() && report.degraded().is_empty();
    let good = early && full && seen == [true; 3] && signal.is_none();
    Outcome::holds(good, &format!("{signal:?} {report:#?}"))
}

/// A thread that was started in LOAD is under SERVE as well, and the broker sees SIGSYS.
fn attack() -> Outcome {
    let (root, _) = broker();
    let mut worker = Worker::start(&root, "nothing");
    worker.go();
    let (_, signal) = worker.end(Word::Attack);
    Outcome::holds(signal == Some(libc::SIGSYS), &format!("{signal:?}"))
}

/// Where the kernel gives no namespaces the report says exactly that and nothing else.
fn degraded() -> Outcome {
    let (root, _) = broker();
    absent::answer(&[libc::SYS_unshare], libc::EPERM);
    let mut worker = Worker::start(&root, "nothing");
    worker.go();
    let (report, _) = worker.end(Word::Leave);
    let expected = ["ns.user", "ns.net", "ns.ipc", "ns.uts", "ns.cgroup"];
    let good = report.missing_required().is_empty() && report.degraded() == expected;
    Outcome::holds(good, &format!("{report:#?}"))
}

fn left_out(skip: &'static str, row: &str) -> Outcome {
    let (root, _) = broker();
    let mut worker = Worker::start(&root, skip);
    if worker.report.missing_required().is_empty() {
        worker.go();
    }
    let missing: Vec<_> = worker.report.missing_required().iter().map(|row| row.name).collect();
    worker.child.kill().unwrap();
    worker.child.wait().unwrap();
    Outcome::holds(missing.contains(&row), &format!("{row} is not in {missing:?}"))
}
