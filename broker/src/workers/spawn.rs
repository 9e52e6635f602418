//! Fork and exec of a worker (decision D3): fixed descriptors, a fixed environment, one argument.
//!
//! The descriptor table is the worker's list of capabilities, so it is laid out exactly:
//! 0 and 1 `/dev/null`, 2 the log pipe, 3 the bell, 4 and 5 the rings, 8 and up the model's files.
//! Everything else is closed by exec. Three rules make that certain:
//! 1. the sources are above every target before the fork, so no `dup2` overwrites a source;
//! 2. every number up to the highest target is taken before the fork, so the pipe by which the
//!    standard library reports a failed exec lies above as well;
//! 3. after the `dup2` calls everything that is no target is marked close-on-exec, whoever opened
//!    it.

use std::{
    io,
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::process::CommandExt,
    },
    path::Path,
    process::Stdio,
};

use core_policy::{env, fds};
use core_ring::{BrokerEnd, CreateError, Layout, PushError};
use core_wire::{
    codec::CodecError,
    worker::{KIND_MAX, ToWorker, WorkerConfig},
};
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    libc,
    sys::{
        prctl,
        signal::{SigHandler, Signal, signal},
        stat::{Mode, umask},
    },
    unistd::{Pid, getpid, getppid, gettid, pipe2, setsid},
};
use tokio::{
    net::unix::pipe,
    process::{Child, Command},
};

/// Lowest number of a source descriptor: above the last model file.
const SOURCE_MIN: RawFd = 128;

const _: () = assert!(fds::MODEL_FIRST as usize + fds::MODEL_FILES_MAX < SOURCE_MIN as usize);

/// What a worker is started with.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    /// Absolute path of the worker's binary.
    pub(crate) exe: &'a Path,
    /// The first record of its ring.
    pub(crate) config: WorkerConfig,
    /// Size of its OpenMP team.
    pub(crate) threads: u32,
    /// Its model's files, read only.
    pub(crate) models: &'a [OwnedFd],
}

/// A worker that runs.
#[derive(Debug)]
pub(crate) struct Started {
    /// Ends with a kill when it is dropped.
    pub(crate) child: Child,
    /// Its process id, valid until it is waited for.
    pub(crate) pid: u32,
    /// The broker's end of the rings.
    pub(crate) rings: BrokerEnd,
    /// What it writes to its log.
    pub(crate) log: pipe::Receiver,
    /// Protections of the rings that this kernel lacks.
    pub(crate) degraded: &'static [&'static str],
}

/// Why a worker was not started. Nothing of it is left behind.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    /// The rings could not be made.
    #[error("the rings of a worker cannot be made: {0}")]
    Ring(#[from] CreateError),
    /// The configuration has no bytes.
    #[error("the configuration of a worker cannot be written: {0}")]
    Encode(#[from] CodecError),
    /// The configuration does not fit the ring.
    #[error("the configuration of a worker does not fit its ring: {0}")]
    Config(#[from] PushError),
    /// A descriptor could not be made.
    #[error("a descriptor for a worker cannot be made: {0}; see the limit on open files")]
    Descriptor(#[from] Errno),
    /// More model files than descriptors are planned for.
    #[error("{found} model files; at most {} are possible", fds::MODEL_FILES_MAX)]
    Files {
        /// How many.
        found: usize,
    },
    /// The binary could not be executed.
    #[error("the worker cannot be started: {0}")]
    Exec(#[from] io::Error),
}

/// Starts a worker. CONFIG is in its ring before the fork.
///
/// # Errors
/// [`SpawnError`].
pub(crate) fn spawn(start: Start<'_>) -> Result<Started, SpawnError> {
    // A test runs on a thread of its harness, and its workers die with that.
    #[cfg(not(test))]
    assert_main_thread();
    if start.models.len() > fds::MODEL_FILES_MAX {
        return Err(SpawnError::Files { found: start.models.len() });
    }
    let (mut rings, theirs) = core_ring::create(&Layout::new(KIND_MAX))?;
    let degraded = theirs.degraded();
    let (kind, payload) = ToWorker::Config(start.config).encode()?;
    rings.jobs.push(kind, &payload)?;
    rings.jobs.publish();
    let (log, log_end) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    let plan = Plan::new(&theirs, start.models)?;
    let plugs = plug(&log, plan.top)?;
    let mut command = std::process::Command::new(start.exe);
    command
        .arg0("core-worker")
        .env_clear()
        .envs(env::worker_env(start.threads))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::from(log_end));
    let broker = getpid();
    let (pairs, top) = (plan.pairs.clone(), plan.top);
    // SAFETY: `enter` and what it captures only make system calls and read memory that was
    // allocated before the fork: it neither allocates nor locks, so it may run between fork and
    // exec.
    unsafe { command.pre_exec(move || enter(broker, &pairs, top)) };
    let mut command = Command::from(command);
    let child = command.kill_on_drop(true).spawn()?;
    drop((plugs, plan));
    let pid = child.id().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let log = pipe::Receiver::from_owned_fd(log)?;
    Ok(Started { child, pid, rings, log, degraded })
}

/// Decision D1: the death signal is tied to the thread that forks, so the worker of any other
/// thread would die with that thread and not with the broker.
pub(super) fn assert_main_thread() {
    assert_eq!(gettid(), getpid(), "a thread other than main starts a worker");
}

/// Which descriptor goes where.
struct Plan {
    /// Owns the sources until the fork.
    _sources: Vec<OwnedFd>,
    /// Source and target.
    pairs: Vec<(RawFd, RawFd)>,
    /// The highest target.
    top: RawFd,
}

impl Plan {
    fn new(rings: &core_ring::WorkerFds, models: &[OwnedFd]) -> Result<Self, Errno> {
        let fixed = [(&rings.bell, fds::BELL), (&rings.b, fds::RING_B), (&rings.w, fds::RING_W)];
        let files = models.iter().zip(fds::MODEL_FIRST..);
        let mut plan = Self { _sources: Vec::new(), pairs: Vec::new(), top: fds::MODEL_FIRST - 1 };
        for (source, target) in fixed.into_iter().chain(files) {
            let source = above(source, SOURCE_MIN)?;
            plan.pairs.push((source.as_raw_fd(), target));
            plan._sources.push(source);
            plan.top = plan.top.max(target);
        }
        Ok(plan)
    }
}

/// A copy of a descriptor at `min` or above, close-on-exec.
fn above(fd: &impl AsFd, min: RawFd) -> Result<OwnedFd, Errno> {
    let number = fcntl(fd.as_fd(), FcntlArg::F_DUPFD_CLOEXEC(min))?;
    // SAFETY: fcntl has just made this descriptor, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Takes every free number up to `top`, rule 2 of the module; at most as many as there are targets.
fn plug(fd: &impl AsFd, top: RawFd) -> Result<Vec<OwnedFd>, Errno> {
    let mut plugs = Vec::new();
    for _ in 0..=top {
        let plug = above(fd, 0)?;
        if plug.as_raw_fd() > top {
            break;
        }
        plugs.push(plug);
    }
    Ok(plugs)
}

/// Between fork and exec, in the child: nothing here allocates.
fn enter(broker: Pid, pairs: &[(RawFd, RawFd)], top: RawFd) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // The broker may have died before the line above; then nobody would ever send the signal.
    if getppid() != broker {
        return Err(Errno::ESRCH.into());
    }
    for signal in Signal::iterator() {
        default_action(signal);
    }
    setsid()?;
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
    for &(source, target) in pairs {
        place(source, target)?;
    }
    close_on_exec(fds::ERROR, fds::MODEL_FIRST - 1)?;
    close_on_exec(top + 1, RawFd::MAX)
}

/// An ignored signal would stay ignored after exec; handlers do not survive it anyway.
fn default_action(which: Signal) {
    // SAFETY: the default action runs no code of this process. SIGKILL and SIGSTOP refuse, which is
    // what they always do.
    let _ = unsafe { signal(which, SigHandler::SigDfl) };
}

fn place(source: RawFd, target: RawFd) -> io::Result<()> {
    // SAFETY: after the fork this process has one thread, and the target belongs to nobody in it:
    // the plan took every number up to the highest target for this purpose.
    let placed = unsafe { libc::dup2(source, target) };
    Errno::result(placed).map(drop).map_err(io::Error::from)
}

fn close_on_exec(first: RawFd, last: RawFd) -> io::Result<()> {
    let number = |fd: RawFd| libc::c_long::from(fd);
    let flag = libc::c_long::from(libc::CLOSE_RANGE_CLOEXEC);
    // SAFETY: close_range(2) with this flag (Linux 5.11) only marks descriptors; none is closed
    // here.
    let marked = unsafe { libc::syscall(libc::SYS_close_range, number(first), number(last), flag) };
    Errno::result(marked).map(drop).map_err(io::Error::from)
}
