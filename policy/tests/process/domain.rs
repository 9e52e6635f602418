//! The two Landlock domains, each with what it must allow and what it must refuse.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use core_policy::landlock::{self, BrokerDomain, CanaryPaths, DomainError, WorkerCanaries};
use core_policy::profile::Profile;
use core_policy::report::Achieved;
use tempfile::TempDir;

use crate::outcome::{Case, Outcome, Side};

const EACCES: Outcome = Outcome::Errno(libc::EACCES);
const OK: Outcome = Outcome::Success;

/// A root directory as the contract describes it, with two models and a binary to execute.
pub(crate) struct Root {
    pub(crate) directory: TempDir,
}

impl Root {
    pub(crate) fn new() -> Self {
        let root = Self { directory: TempDir::new().unwrap() };
        for name in ["models", "tokenizers", "temp", "cache", "socket", "bin"] {
            fs::create_dir(root.at(name)).unwrap();
        }
        fs::write(root.at("models/a.gguf"), "model a").unwrap();
        fs::write(root.at("models/b.gguf"), "model b").unwrap();
        root
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The domain of a broker on this root, whose worker is `worker`.
    pub(crate) fn domain(&self, worker: &Path) -> BrokerDomain {
        let libraries = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"].map(PathBuf::from);
        BrokerDomain {
            models: self.at("models"),
            tokenizers: self.at("tokenizers"),
            temp: self.at("temp"),
            cache: self.at("cache"),
            socket_dir: self.at("socket"),
            worker_exe: worker.to_owned(),
            interpreter: Some("/lib64/ld-linux-x86-64.so.2".into()),
            library_dirs: libraries.into_iter().filter(|path| path.exists()).collect(),
            read: Vec::new(),
            cgroup: None,
            profile: Profile::Cpu,
        }
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = worker_cases();
    cases.extend(broker_cases());
    cases.push(Case::new("domain.missing-path", OK, None, |_| {
        let root = Root::new();
        fs::remove_dir(root.at("tokenizers")).unwrap();
        let refused = landlock::restrict_broker(&root.domain(Path::new("/bin/true")));
        let named =
            matches!(refused, Err(DomainError::Path { path, .. }) if path.ends_with("tokenizers"));
        Outcome::holds(named, "a missing directory must be named and refused")
    }));
    cases
}

/// An attack from within a worker's domain on model a; the path is that root.
type Attack = fn(&Root, &File) -> std::io::Result<()>;

/// What a worker may and may not do to files; without the domain all of it works.
const IN_WORKER: [(&str, Outcome, Attack); 9] = [
    ("own-model", OK, |_, model| File::open(own(model)).map(drop)),
    ("own-model-write", EACCES, |_, model| write(&own(model))),
    ("sibling-model", EACCES, |root, _| File::open(root.at("models/b.gguf")).map(drop)),
    ("etc-passwd", EACCES, |_, _| File::open("/etc/passwd").map(drop)),
    ("list-models", EACCES, |root, _| fs::read_dir(root.at("models")).map(drop)),
    ("create", EACCES, |root, _| File::create_new(root.at("temp/x")).map(drop)),
    ("hard-link", EACCES, |root, _| fs::hard_link(root.at("models/a.gguf"), root.at("cache/a"))),
    ("socket", EACCES, |root, _| UnixListener::bind(root.at("cache/s")).map(drop)),
    ("tcp", EACCES, |_, _| TcpListener::bind("127.0.0.1:0").map(drop)),
];

fn worker_cases() -> Vec<Case> {
    let profiles = [("worker-domain", Profile::Cpu), ("gpu-domain", Profile::Gpu)];
    profiles.into_iter().flat_map(|(name, profile)| worker_cases_under(name, profile)).collect()
}

/// The GPU profile opens device nodes and no file: every attack ends as under the CPU profile.
fn worker_cases_under(domain: &str, profile: Profile) -> Vec<Case> {
    let case = |(name, locked, attack): (&str, Outcome, Attack)| {
        Case::new(format!("{domain}.{name}"), locked, OK, move |side| {
            let root = Root::new();
            let model = File::open(root.at("models/a.gguf")).unwrap();
            let libraries = root.at("bin");
            let paths = CanaryPaths { libraries: &libraries };
            let canaries = WorkerCanaries::arm(paths, Some(model.as_fd()));
            if side == Side::Locked {
                landlock::confine_worker(&[model.as_fd()], profile).unwrap();
                let rows = canaries.check().unwrap();
                assert!(rows.len() == 6 && rows.iter().all(|row| row.achieved == Achieved::Yes));
            } else {
                canaries.check().expect_err("without a domain a canary opens");
            }
            Outcome::of_io(attack(&root, &model))
        })
    };
    IN_WORKER.into_iter().map(case).collect()
}

fn own(model: &File) -> PathBuf {
    format!("/proc/self/fd/{}", model.as_raw_fd()).into()
}

fn write(path: &Path) -> std::io::Result<()> {
    OpenOptions::new().read(true).write(true).open(path).map(drop)
}

/// An attack from within the broker's domain.
type InBroker = fn(&Root) -> std::io::Result<()>;

/// The same for the broker.
const IN_BROKER: [(&str, Outcome, InBroker); 13] = [
    ("read-model", OK, |root| File::open(root.at("models/a.gguf")).map(drop)),
    ("list-models", OK, |root| fs::read_dir(root.at("models")).map(drop)),
    ("write-model", EACCES, |root| write(&root.at("models/a.gguf"))),
    ("write-temp", OK, |root| File::create_new(root.at("temp/x"))?.write_all(b"x")),
    ("write-cache", OK, |root| fs::write(root.at("cache/x"), "x")),
    ("rename-in-cache", OK, rename),
    ("write-elsewhere", EACCES, |root| File::create_new(root.at("bin/x")).map(drop)),
    ("fifo-in-cache", EACCES, |root| Ok(mkfifo(&root.at("cache/f"))?)),
    ("bind-socket", OK, |root| UnixListener::bind(root.at("socket/s")).map(drop)),
    ("etc-passwd", EACCES, |_| File::open("/etc/passwd").map(drop)),
    ("tcp", EACCES, |_| TcpListener::bind("127.0.0.1:0").map(drop)),
    ("exec-worker", OK, |root| Err(Command::new(root.at("bin/worker")).exec())),
    ("exec-shell", EACCES, |_| Err(Command::new("/bin/sh").args(["-c", "exit 0"]).exec())),
];

fn broker_cases() -> Vec<Case> {
    let case = |(name, locked, attack): (&str, Outcome, InBroker)| {
        Case::new(format!("broker-domain.{name}"), locked, OK, move |side| {
            let root = Root::new();
            fs::copy("/bin/true", root.at("bin/worker")).unwrap();
            if side == Side::Locked {
                landlock::restrict_broker(&root.domain(&root.at("bin/worker"))).unwrap();
            }
            Outcome::of_io(attack(&root))
        })
    };
    IN_BROKER.into_iter().map(case).collect()
}

fn rename(root: &Root) -> std::io::Result<()> {
    fs::write(root.at("temp/y"), "y")?;
    fs::rename(root.at("temp/y"), root.at("cache/y"))
}

fn mkfifo(path: &Path) -> nix::Result<()> {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU)
}
