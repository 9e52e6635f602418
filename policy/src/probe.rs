//! What this kernel offers, asked before anything is applied, for `core-broker probe` and for exit
//! code 69 at start-up.

use std::ffi::CStr;
use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;

use crate::report::{How, Report, Row, layer};
use crate::{landlock, sys};

const HOW: How = How::Probe;

/// Name of the memfd that the probe makes and drops.
const MEMFD_NAME: &CStr = c"core-probe";

/// Sysctls that can forbid user namespaces, and the value with which each does.
const USERNS_OFF: [(&str, &str); 3] = [
    ("/proc/sys/user/max_user_namespaces", "0"),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0"),
    ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
];

/// Asks the kernel for every layer. Nothing is applied, started or written.
pub fn probe() -> Report {
    let mut report = Report::default();
    report.merge(landlock::probe_rows());
    report.merge(seccomp());
    report.merge([no_new_privs(), dumpable(), seals()]);
    report.merge([mdwe(), mseal(), noexec_seal(), memory_cgroup()]);
    report.merge(namespaces());
    report
}

/// The filters of all profiles need the same two answers; SERVE is set on all threads at once, and
/// the broker's denials are logged.
fn seccomp() -> [Row; 4] {
    let actions = [libc::SECCOMP_RET_KILL_PROCESS, libc::SECCOMP_RET_ERRNO];
    let known = actions.iter().all(|action| sys::seccomp_knows(*action));
    let row = |name, known: bool, value| Row::met(name, HOW, known.into(), value);
    let tsync = sys::seccomp_knows_flag(libc::SECCOMP_FILTER_FLAG_TSYNC);
    let log = sys::seccomp_knows_flag(libc::SECCOMP_FILTER_FLAG_LOG);
    [
        row(layer::SECCOMP_BROKER, known && log, "errno, with a log line"),
        row(layer::SECCOMP_LOAD, known, "kill_process and errno"),
        row(layer::SECCOMP_SERVE, known && tsync, "kill_process"),
        row(layer::SECCOMP_ALL_THREADS, tsync, "on all threads at once"),
    ]
}

fn no_new_privs() -> Row {
    Row::met(layer::NO_NEW_PRIVS, HOW, prctl::get_no_new_privs().is_ok().into(), "known")
}

fn dumpable() -> Row {
    Row::met(layer::DUMPABLE, HOW, prctl::get_dumpable().is_ok().into(), "known")
}

/// The seal that keeps a worker from writing what the broker maps to write (Linux 5.1).
fn seals() -> Row {
    let flags = MFdFlags::MFD_ALLOW_SEALING | MFdFlags::MFD_CLOEXEC;
    let wanted = SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_FUTURE_WRITE;
    // Some systems allow no memory file that could be executed; old kernels know none that cannot.
    let sealed =
        memfd_create(MEMFD_NAME, flags | MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL))
            .or_else(|_| memfd_create(MEMFD_NAME, flags))
            .and_then(|file| fcntl(&file, FcntlArg::F_ADD_SEALS(wanted)).map(|_| file))
            .and_then(|file| fcntl(&file, FcntlArg::F_GET_SEALS));
    let held = sealed.is_ok_and(|seals| seals & wanted.bits() == wanted.bits());
    Row::met(layer::SEALS, HOW, held.into(), "grow, shrink, future write")
}

fn mdwe() -> Row {
    let known = sys::prctl(libc::PR_GET_MDWE, [0; 4]).is_ok();
    Row::met(layer::MDWE, HOW, known.into(), "PR_GET_MDWE")
}

fn mseal() -> Row {
    Row::met(layer::MSEAL, HOW, sys::mseal_exists().into(), "mseal of nothing")
}

fn noexec_seal() -> Row {
    let flags = MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL) | MFdFlags::MFD_CLOEXEC;
    let made: Result<_, Errno> = memfd_create(MEMFD_NAME, flags);
    Row::met(layer::NOEXEC_SEAL, HOW, made.is_ok().into(), "MFD_NOEXEC_SEAL")
}

/// A namespace file says that the kernel has the kind; the sysctls say whether anybody may make
/// one. Only trying would be certain, and trying changes the process, so the worker's own row
/// decides.
fn namespaces() -> Vec<Row> {
    let off = USERNS_OFF
        .iter()
        .find(|(path, value)| fs::read_to_string(path).is_ok_and(|found| found.trim() == *value));
    let kinds = [
        ("user", layer::NS_USER),
        ("net", layer::NS_NET),
        ("ipc", layer::NS_IPC),
        ("uts", layer::NS_UTS),
        ("cgroup", layer::NS_CGROUP),
    ];
    // Without a user namespace nobody but root can drop the bounding set, and a limit on threads
    // would count those of the user's other processes.
    let with_user = [("user", layer::CAPS_BOUNDING), ("user", layer::RLIMIT_NPROC)];
    let rows = kinds.into_iter().chain(with_user).map(|(file, name)| {
        let exists = Path::new("/proc/self/ns").join(file).exists();
        match off {
            Some((path, _)) => Row::no(name, HOW, (*path).to_owned()),
            None => Row::met(name, HOW, exists.into(), "by sysctl"),
        }
    });
    rows.collect()
}

/// A delegated cgroup v2 with the memory controller: this process's own directory lists it, and may
/// be written. To be asked before the process confines itself, because the directory is none of a
/// broker's.
pub fn memory_cgroup() -> Row {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some(path) = own.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return Row::no(layer::MEMORY_CGROUP, HOW, "no cgroup v2");
    };
    let directory = Path::new("/sys/fs/cgroup").join(path);
    let controllers = fs::read_to_string(directory.join("cgroup.controllers")).unwrap_or_default();
    if !controllers.split_whitespace().any(|name| name == "memory") {
        return Row::no(layer::MEMORY_CGROUP, HOW, "no memory controller");
    }
    let children = directory.join("cgroup.subtree_control");
    match nix::unistd::access(&children, nix::unistd::AccessFlags::W_OK) {
        Ok(()) => Row::yes(layer::MEMORY_CGROUP, HOW, "cgroup v2, delegated"),
        Err(_) => Row::no(layer::MEMORY_CGROUP, HOW, "cgroup v2, not delegated"),
    }
}
