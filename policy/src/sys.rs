//! The edge to the kernel: the calls that no library wraps, each in one safe function.
//!
//! Invariants that the SAFETY comments cite:
//! 1. Every pointer that is passed points to a live value of the size that the kernel reads, or is
//!    null where the kernel allows null.
//! 2. No call here hands memory to the kernel that it keeps after the call returned.
//! 3. A descriptor becomes owned once: [`claim`] is called only for descriptors that exec left
//!    open, by functions that run once per process and before it opens any of its own.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use nix::sys::signal::{SigHandler, Signal};
use nix::{errno::Errno, unistd::Pid};

/// One BPF instruction in the kernel's layout (linux/filter.h, `struct sock_filter`).
pub(crate) type SockFilter = libc::sock_filter;

/// Calls prctl with plain numbers.
pub(crate) fn prctl(option: libc::c_int, args: [libc::c_ulong; 4]) -> Result<i32, Errno> {
    // SAFETY: the options that this crate passes take numbers, no pointers (invariant 1).
    Errno::result(unsafe { libc::prctl(option, args[0], args[1], args[2], args[3]) })
}

/// Installs a filter on the calling thread, or with TSYNC on all.
///
/// Raw, because seccompiler's installer knows no LOG flag and sets no_new_privs before each
/// install, a call that LOAD would then have to allow.
pub(crate) fn seccomp_install(program: &[SockFilter], flags: libc::c_ulong) -> Result<(), Errno> {
    let len = libc::c_ushort::try_from(program.len()).map_err(|_| Errno::E2BIG)?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    let operation = libc::c_ulong::from(libc::SECCOMP_SET_MODE_FILTER);
    // SAFETY: `program` and the instructions behind it outlive the call, which copies them
    // (invariants 1 and 2); the kernel does not write through the pointer.
    let code = unsafe { libc::syscall(libc::SYS_seccomp, operation, flags, &raw const program) };
    match Errno::result(code)? {
        0 => Ok(()),
        // With TSYNC a positive answer is the thread that could not follow.
        _ => Err(Errno::ESRCH),
    }
}

/// One filter of a stopped thread, counted from the oldest.
pub(crate) fn seccomp_get_filter(thread: Pid, index: usize) -> Result<Vec<SockFilter>, Errno> {
    const GET_FILTER: libc::c_uint = 0x420c;
    let none = std::ptr::null_mut::<SockFilter>();
    // SAFETY: with a null pointer the kernel only answers how many instructions there are.
    let len = unsafe { libc::ptrace(GET_FILTER, thread.as_raw(), index, none) };
    let len = usize::try_from(Errno::result(len)?).map_err(|_| Errno::EINVAL)?;
    let mut program = vec![SockFilter { code: 0, jt: 0, jf: 0, k: 0 }; len];
    // SAFETY: a filter never changes, so the kernel writes the `len` instructions it just counted,
    // for which there is room (invariant 1).
    let copied = unsafe { libc::ptrace(GET_FILTER, thread.as_raw(), index, program.as_mut_ptr()) };
    Errno::result(copied)?;
    Ok(program)
}

/// Whether the kernel knows a filter's answer, such as `SECCOMP_RET_KILL_PROCESS`.
pub(crate) fn seccomp_knows(action: u32) -> bool {
    let operation = libc::c_ulong::from(libc::SECCOMP_GET_ACTION_AVAIL);
    let flags: libc::c_ulong = 0;
    // SAFETY: the kernel reads four bytes at the pointer, which is a live u32 (invariant 1).
    let code = unsafe { libc::syscall(libc::SYS_seccomp, operation, flags, &raw const action) };
    code == 0
}

/// Whether the kernel knows a flag of installing filters: a null pointer is looked at only after
/// the flags were accepted, and installs nothing.
pub(crate) fn seccomp_knows_flag(flag: libc::c_ulong) -> bool {
    let operation = libc::c_ulong::from(libc::SECCOMP_SET_MODE_FILTER);
    let none = std::ptr::null::<libc::sock_fprog>();
    // SAFETY: the kernel reads nothing at a null pointer, it answers EFAULT (invariant 1).
    let code = unsafe { libc::syscall(libc::SYS_seccomp, operation, flag, none) };
    Errno::result(code) == Err(Errno::EFAULT)
}

/// The kernel's Landlock ABI, 0 when there is none.
pub(crate) fn landlock_abi() -> i32 {
    const VERSION: libc::c_ulong = 1;
    let null = std::ptr::null::<libc::c_void>();
    let size: libc::size_t = 0;
    // SAFETY: with the VERSION flag the kernel demands null and zero and reads nothing.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, null, size, VERSION) };
    i32::try_from(abi.max(0)).unwrap_or(0)
}

/// Sets one limit of another process, soft equal to hard.
pub(crate) fn limit_other(
    process: Pid,
    resource: libc::__rlimit_resource_t,
    value: u64,
) -> Result<(), Errno> {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    let old = std::ptr::null_mut::<libc::rlimit>();
    // SAFETY: the kernel reads the limit, which outlives the call, and writes no old one where the
    // pointer is null (invariants 1 and 2).
    let code = unsafe { libc::prlimit(process.as_raw(), resource, &raw const limit, old) };
    Errno::result(code).map(drop)
}

/// Whether mseal exists: sealing nothing succeeds where it does.
pub(crate) fn mseal_exists() -> bool {
    let (address, len, flags): (libc::c_ulong, libc::size_t, libc::c_ulong) = (0, 0, 0);
    // SAFETY: a length of zero covers no memory, so no mapping changes.
    let code = unsafe { libc::syscall(libc::SYS_mseal, address, len, flags) };
    code == 0
}

/// Sets a signal to its default disposition.
pub(crate) fn signal_default(signal: Signal) -> Result<(), Errno> {
    // SAFETY: the default disposition runs no code of this process, so no handler can be unsound.
    unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }.map(drop)
}

/// Takes ownership of a descriptor that exec left open.
pub(crate) fn claim(fd: RawFd) -> OwnedFd {
    // SAFETY: invariant 3; the caller saw the descriptor in /proc/self/fd and runs once.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Whether a descriptor number is open in this process.
pub(crate) fn is_open(fd: RawFd) -> bool {
    // SAFETY: F_GETFD takes no pointer and changes nothing, whatever the number is.
    let code = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    code >= 0
}

/// Ends the process now: no exit handler, no destructor, no other thread's farewell.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit(2) does not return, so nothing can see a state that it left.
    unsafe { libc::_exit(code) }
}
