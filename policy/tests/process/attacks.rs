//! The attacks on the filters: one call each, what happens to it without a filter and with one.

use crate::attack::{address, call, call_i386, clone3, fork};
use crate::outcome::{KILLED, Outcome};

/// An attack by one call: its name, the call, and what happens to it without any filter.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) act: fn() -> i64,
    pub(crate) twin: Outcome,
}

/// One line for an attack: `name: call => outcome without a filter;`.
macro_rules! attacks {
    ($($name:literal: $act:expr => $twin:expr;)*) => {
        &[$(Attack { name: $name, act: || $act, twin: $twin }),*]
    };
}

/// The same with the answers of a filter behind it.
macro_rules! answered {
    ($($name:literal: $act:expr => $twin:expr, $answers:expr;)*) => {
        &[$((Attack { name: $name, act: || $act, twin: $twin }, $answers)),*]
    };
}

const OK: Outcome = Outcome::Success;
const ACCES: Outcome = Outcome::Errno(libc::EACCES);
const BADF: Outcome = Outcome::Errno(libc::EBADF);
const FAULT: Outcome = Outcome::Errno(libc::EFAULT);
const INVAL: Outcome = Outcome::Errno(libc::EINVAL);
const ISDIR: Outcome = Outcome::Errno(libc::EISDIR);
const NOSYS: Outcome = Outcome::Errno(libc::ENOSYS);
const NOTTY: Outcome = Outcome::Errno(libc::ENOTTY);
const PERM: Outcome = Outcome::Errno(libc::EPERM);

const NONE: i64 = -1;
const CWD: i64 = libc::AT_FDCWD as i64;
const ANON: i64 = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as i64;
const SHARED: i64 = (libc::MAP_SHARED | libc::MAP_ANONYMOUS) as i64;
const RW: i64 = (libc::PROT_READ | libc::PROT_WRITE) as i64;
const RWX: i64 = RW | libc::PROT_EXEC as i64;
const X32: i64 = 0x4000_0000;

/// Killed at both stages, and possible without the filter.
pub(crate) const KILLED_AT_BOTH: &[Attack] = attacks! {
    "socket-inet": call(libc::SYS_socket, &[2, 1, 0]) => OK;
    "socket-inet6-udp": call(libc::SYS_socket, &[10, 2, 0]) => OK;
    "socket-unix": call(libc::SYS_socket, &[1, 1, 0]) => OK;
    "socket-netlink": call(libc::SYS_socket, &[16, 3, 0]) => OK;
    "fork": fork() => OK;
    "execve": execve() => OK;
    "mmap-exec": call(libc::SYS_mmap, &[0, 4096, RWX, ANON, NONE, 0]) => OK;
    "mmap-shared": call(libc::SYS_mmap, &[0, 4096, RW, SHARED, NONE, 0]) => OK;
    "mprotect-exec": mprotect() => OK;
    "pkey-mprotect": call(libc::SYS_pkey_mprotect, &[0, 0, RWX, NONE]) => OK;
    "memfd": call(libc::SYS_memfd_create, &[address("x\0"), 0]) => OK;
    "write-stdout": call(libc::SYS_write, &[1, address(""), 0]) => OK;
    "kill-parent": call(libc::SYS_kill, &[call(libc::SYS_getppid, &[]), 0]) => OK;
    "tgkill-not-abort": tgkill(0) => OK;
    "prctl-dumpable": call(libc::SYS_prctl, &[libc::PR_SET_DUMPABLE.into(), 1]) => OK;
    "prctl-nnp-0": call(libc::SYS_prctl, &[libc::PR_SET_NO_NEW_PRIVS.into(), 0]) => INVAL;
    "ptrace-me": call(libc::SYS_ptrace, &[0]) => OK;
    "unshare": call(libc::SYS_unshare, &[libc::CLONE_NEWUSER.into()]) => OK;
    "personality": call(libc::SYS_personality, &[0xffff_ffff]) => OK;
    "ioctl": call(libc::SYS_ioctl, &[0, 0x541b, 0]) => NOTTY;
    "io-uring": call(libc::SYS_io_uring_setup, &[0, 0]) => FAULT;
    "userfaultfd": call(libc::SYS_userfaultfd, &[1]) => OK;
    "stat-path": call(libc::SYS_stat, &[address("/\0"), 0]) => FAULT;
    "truncate": call(libc::SYS_truncate, &[address("/\0"), 0]) => ISDIR;
    "open-trunc": open(libc::O_WRONLY | libc::O_TRUNC) => OK;
    "open-path": open(libc::O_PATH) => OK;
    "mlock": call(libc::SYS_mlock, &[0, 0]) => OK;
    "landlock": call(libc::SYS_landlock_restrict_self, &[NONE, 0]) => BADF;
    "dup": call(libc::SYS_dup, &[2]) => OK;
    "madvise-mergeable": call(libc::SYS_madvise, &[0, 0, 12]) => OK;
    "mremap-fixed": call(libc::SYS_mremap, &[0, 0, 0, 3, 0]) => INVAL;
    "prlimit-get": call(libc::SYS_prlimit64, &[0, 4, 0, 0]) => OK;
    "prctl-name": call(libc::SYS_prctl, &[libc::PR_SET_NAME.into(), address("x\0")]) => OK;
    "prlimit-set": call(libc::SYS_prlimit64, &[0, 4, address(&[0_u64; 2]), 0]) => OK;
    "prlimit-other": call(libc::SYS_prlimit64, &[1, 4, 0, 0]) => OK;
    "i386-getpid": call_i386(20) => OK;
    "x32-getpid": call(X32 | libc::SYS_getpid, &[]) => NOSYS;
};

/// Answered differently at the two stages: LOAD, then SERVE.
pub(crate) const BY_STAGE: &[(Attack, [Outcome; 2])] = answered! {
    "clone3": clone3() => INVAL, [NOSYS, KILLED];
    "open-read": open(libc::O_RDONLY) => OK, [OK, KILLED];
    "open-write": open(libc::O_WRONLY) => OK, [ACCES, KILLED];
    "open-readwrite": open(libc::O_RDWR) => OK, [ACCES, KILLED];
    "open-create": open(libc::O_RDONLY | libc::O_CREAT) => OK, [ACCES, KILLED];
    "getrandom": call(libc::SYS_getrandom, &[0, 0, 0]) => OK, [OK, KILLED];
    "fcntl-getfd": call(libc::SYS_fcntl, &[2, 1, 0]) => OK, [OK, KILLED];
    "fcntl-getfl": call(libc::SYS_fcntl, &[2, 3, 0]) => OK, [KILLED, KILLED];
    "fcntl-dup": call(libc::SYS_fcntl, &[2, 0, 9]) => OK, [KILLED, KILLED];
    "thread": thread_start() => OK, [OK, KILLED];
    "write-log": call(libc::SYS_write, &[2, address(""), 0]) => OK, [OK, OK];
    "arch-prctl": call(libc::SYS_arch_prctl, &[0xffff, 0]) => INVAL, [INVAL, INVAL];
    "mmap-plain": call(libc::SYS_mmap, &[0, 4096, RW, ANON, NONE, 0]) => OK, [OK, OK];
};

/// What the broker's filter answers.
pub(crate) const IN_BROKER: &[(Attack, Outcome)] = answered! {
    "socket-inet": call(libc::SYS_socket, &[2, 1, 0]) => OK, PERM;
    "socketpair-inet": call(libc::SYS_socketpair, &[2, 1, 0, 0]) => FAULT, PERM;
    "socketpair-unix": call(libc::SYS_socketpair, &[1, 1, 0, 0]) => FAULT, FAULT;
    "connect": call(libc::SYS_connect, &[NONE, 0, 0]) => BADF, PERM;
    "recvmsg": call(libc::SYS_recvmsg, &[NONE, 0, 0]) => BADF, PERM;
    "clone3": clone3() => INVAL, NOSYS;
    "fork": fork() => OK, OK;
    "unshare-mount": call(libc::SYS_unshare, &[libc::CLONE_NEWNS.into()]) => OK, PERM;
    "setuid": call(libc::SYS_setuid, &[65_000]) => OK, PERM;
    "io-uring": call(libc::SYS_io_uring_setup, &[0, 0]) => FAULT, PERM;
    "ioctl-tiocsti": call(libc::SYS_ioctl, &[0, 0x5412, 0]) => NOTTY, PERM;
    "prctl-subreaper": call(libc::SYS_prctl, &[36, 1, 0, 0, 0]) => OK, PERM;
    "x32-getpid": call(X32 | libc::SYS_getpid, &[]) => NOSYS, PERM;
    "i386-getpid": call_i386(20) => OK, KILLED;
};

pub(crate) fn open(flags: i32) -> i64 {
    // Each its own: in /tmp a file that root has left is opened for creation by nobody else.
    let path = match (flags & libc::O_CREAT, nix::unistd::geteuid().is_root()) {
        (0, _) => "/dev/null\0",
        (_, true) => "/tmp/.core-policy-canary\0",
        (_, false) => "/tmp/.core-policy-canary-of-users\0",
    };
    call(libc::SYS_openat, &[CWD, address(path), flags.into(), 0o600])
}

fn execve() -> i64 {
    let argv = [address("/bin/true\0"), 0];
    call(libc::SYS_execve, &[argv[0], address(&argv), 0])
}

fn mprotect() -> i64 {
    let page = call(libc::SYS_mmap, &[0, 4096, RW, ANON, NONE, 0]);
    call(libc::SYS_mprotect, &[page, 4096, RWX])
}

/// Sends a signal to this thread; 0 only asks whether it could.
pub(crate) fn tgkill(signal: i32) -> i64 {
    let (pid, tid) = (call(libc::SYS_getpid, &[]), call(libc::SYS_gettid, &[]));
    call(libc::SYS_tgkill, &[pid, tid, signal.into()])
}

fn thread_start() -> i64 {
    team_thread(idle, 0)
}

extern "C" fn idle(_: *mut libc::c_void) -> *mut libc::c_void {
    std::ptr::null_mut()
}

/// Starts a thread as OpenMP does, by pthread alone: Rust's own threads make further calls.
pub(crate) fn team_thread(
    run: extern "C" fn(*mut libc::c_void) -> *mut libc::c_void,
    argument: usize,
) -> i64 {
    let mut thread = 0;
    let argument = std::ptr::with_exposed_provenance_mut(argument);
    // SAFETY: the function and what its argument points to live as long as the process.
    let failed = unsafe { libc::pthread_create(&raw mut thread, std::ptr::null(), run, argument) };
    -i64::from(failed)
}
