//! Resource limits of a worker, as data, and the code that sets them.

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

use crate::fds::MODEL_FILES_MAX;
use crate::profile::{DRIVER_DESCRIPTORS_MAX, Profile};
use crate::report::{How, Row, layer};
use crate::sys;

/// One limit, which is both the soft and the hard one.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// What is limited.
    pub resource: Resource,
    /// Its name in /proc/PID/limits, for the check from outside.
    pub proc_name: &'static str,
    /// The most that is allowed, in the unit of the resource; a lower inherited limit stays.
    pub at_most: u64,
    /// Why.
    pub reason: &'static str,
}

impl Limit {
    /// The most that is allowed under a profile: a driver holds descriptors of its own.
    pub fn under(&self, profile: Profile) -> u64 {
        match profile {
            Profile::Gpu if self.resource == Resource::RLIMIT_NOFILE => {
                self.at_most + DRIVER_DESCRIPTORS_MAX as u64
            }
            Profile::Gpu | Profile::Cpu => self.at_most,
        }
    }
}

/// Descriptors that a worker may have: the fixed ones, the models that it inherits, the same files
/// opened once more while they are loaded, and a few for the libraries.
pub const NOFILE: u64 = crate::fds::MODEL_FIRST as u64 + 2 * MODEL_FILES_MAX as u64 + 16;

/// Stack of the main thread, in bytes: the usual default, so that no C++ code meets less than it
/// expects, and a runaway recursion still ends.
pub const STACK: u64 = 8 << 20;

/// Threads that a worker may have within its own user namespace: twice the largest team, because a
/// thread that ended counts until it is reaped.
pub const NPROC: u64 = 2 * crate::env::THREADS_MAX as u64;

/// The limits of every worker. The memory limit is not here: the broker sets it from outside.
pub const WORKER_LIMITS: &[Limit] = &[
    Limit {
        resource: Resource::RLIMIT_FSIZE,
        proc_name: "Max file size",
        at_most: 0, // guard
        reason: "a worker writes no file",
    },
    Limit {
        resource: Resource::RLIMIT_CORE,
        proc_name: "Max core file size",
        at_most: 0, // guard
        reason: "a core would hold prompts; with 1 it would even go to a piped handler",
    },
    Limit {
        resource: Resource::RLIMIT_NOFILE,
        proc_name: "Max open files",
        at_most: NOFILE, // guard
        reason: "the descriptors are known in advance",
    },
    Limit {
        resource: Resource::RLIMIT_MEMLOCK,
        proc_name: "Max locked memory",
        at_most: 0, // guard
        reason: "locked memory would starve the other processes; nothing here locks any",
    },
    Limit {
        resource: Resource::RLIMIT_STACK,
        proc_name: "Max stack size",
        at_most: STACK, // guard
        reason: "a runaway recursion ends as SIGSEGV instead of eating the memory",
    },
    Limit {
        resource: Resource::RLIMIT_MSGQUEUE,
        proc_name: "Max msgqueue size",
        at_most: 0, // guard
        reason: "no message queues: they would be kernel memory outside the budget",
    },
    Limit {
        resource: Resource::RLIMIT_RTPRIO,
        proc_name: "Max realtime priority",
        at_most: 0, // guard
        reason: "a worker never outranks the broker that has to kill it",
    },
    Limit {
        resource: Resource::RLIMIT_NICE,
        proc_name: "Max nice priority",
        at_most: 0, // guard
        reason: "a worker never raises its own priority",
    },
];

/// The limit on threads, which counts only this worker's once it has a user namespace of its own;
/// without one it would count every process of the user and is left alone.
pub const WORKER_NPROC: Limit = Limit {
    resource: Resource::RLIMIT_NPROC,
    proc_name: "Max processes",
    at_most: NPROC,
    reason: "a parser that was taken over cannot fill the machine with threads",
};

/// Sets the data limit of a worker from outside (prlimit(2), Linux 2.6.36), in bytes: private
/// memory that it may map for writing, touched or not. The kernel asks only that both have the same
/// user, so it works on one that is not dumpable, too.
///
/// The caller must hold the process, so that the pid still means it.
///
/// # Errors
/// The errno of prlimit.
pub fn set_data(pid: i32, bytes: u64) -> Result<(), Errno> {
    sys::limit_other(Pid::from_raw(pid), libc::RLIMIT_DATA, bytes)
}

/// Sets one limit, soft equal to hard, and never above what was inherited.
///
/// # Errors
/// The errno of getrlimit or setrlimit; lowering a limit needs no privilege, so a failure means a
/// kernel or a filter that must not be trusted.
pub fn apply(limit: &Limit, profile: Profile) -> Result<u64, Errno> {
    let (_, hard) = getrlimit(limit.resource)?;
    let value = hard.min(limit.under(profile));
    setrlimit(limit.resource, value, value)?;
    Ok(value)
}

/// Sets every limit of [`WORKER_LIMITS`].
///
/// # Errors
/// The first errno.
pub fn apply_all(profile: Profile) -> Result<Row, Errno> {
    for limit in WORKER_LIMITS {
        apply(limit, profile)?;
    }
    let value = format!("{} limits, soft = hard", WORKER_LIMITS.len());
    Ok(Row::yes(layer::RLIMITS, How::OwnWord, value))
}

/// Sets the limit on threads, after the user namespace was entered.
pub fn apply_nproc() -> Row {
    match apply(&WORKER_NPROC, Profile::Cpu) {
        Ok(value) => Row::yes(layer::RLIMIT_NPROC, How::OwnWord, value.to_string()),
        Err(errno) => Row::no(layer::RLIMIT_NPROC, How::OwnWord, errno.to_string()),
    }
}
