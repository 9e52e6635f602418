//! Calls that no stage has any use for, tried with zeros for arguments: what counts is that the
//! number alone kills.

use nix::libc;

use super::{killed, num};
use crate::attack::Attack;

/// Row, name and number of each.
const USELESS: [(&str, &str, i64); 47] = [
    ("F09", "symlink", libc::SYS_symlink),
    ("F10", "link", libc::SYS_link),
    ("F10", "rename", libc::SYS_rename),
    ("F11", "mknod", libc::SYS_mknod),
    ("F17", "open_by_handle_at", libc::SYS_open_by_handle_at),
    ("F18", "stat", libc::SYS_stat),
    ("F18", "readlink", libc::SYS_readlink),
    ("F18", "access", libc::SYS_access),
    ("F19", "chmod", libc::SYS_chmod),
    ("F19", "chown", libc::SYS_chown),
    ("F19", "utimensat", libc::SYS_utimensat),
    ("F19", "setxattr", libc::SYS_setxattr),
    ("F21", "mount", libc::SYS_mount),
    ("F21", "umount2", libc::SYS_umount2),
    ("F21", "pivot_root", libc::SYS_pivot_root),
    ("F21", "chroot", libc::SYS_chroot),
    ("F21", "open_tree", libc::SYS_open_tree),
    ("F21", "fsopen", libc::SYS_fsopen),
    ("F26", "ioctl", libc::SYS_ioctl),
    ("N04", "sendmsg", libc::SYS_sendmsg),
    ("N04", "bind", libc::SYS_bind),
    ("P09", "process_vm_readv", libc::SYS_process_vm_readv),
    ("P09", "process_vm_writev", libc::SYS_process_vm_writev),
    ("P10", "pidfd_open", libc::SYS_pidfd_open),
    ("P10", "pidfd_getfd", libc::SYS_pidfd_getfd),
    ("P10", "pidfd_send_signal", libc::SYS_pidfd_send_signal),
    ("P15", "setuid", libc::SYS_setuid),
    ("P15", "setgroups", libc::SYS_setgroups),
    ("P15", "capset", libc::SYS_capset),
    ("P17", "setns", libc::SYS_setns),
    ("P20", "landlock_restrict_self", libc::SYS_landlock_restrict_self),
    ("P24", "add_key", libc::SYS_add_key),
    ("P24", "request_key", libc::SYS_request_key),
    ("P24", "keyctl", libc::SYS_keyctl),
    ("P25", "bpf", libc::SYS_bpf),
    ("P25", "perf_event_open", libc::SYS_perf_event_open),
    ("P25", "userfaultfd", libc::SYS_userfaultfd),
    ("P25", "io_uring_setup", libc::SYS_io_uring_setup),
    ("P25", "init_module", libc::SYS_init_module),
    ("P25", "kexec_load", libc::SYS_kexec_load),
    ("P25", "syslog", libc::SYS_syslog),
    ("P25", "swapon", libc::SYS_swapon),
    ("M02", "pkey_mprotect", libc::SYS_pkey_mprotect),
    ("M05", "memfd_secret", libc::SYS_memfd_secret),
    ("M07", "personality", libc::SYS_personality),
    ("M08", "shmget", libc::SYS_shmget),
    ("M10", "mlock", libc::SYS_mlock),
];

pub(super) fn all() -> Vec<Attack> {
    let zeros = || vec![num(0); 6];
    USELESS.map(|(row, what, number)| killed(row, what, number, zeros()).anyhow()).to_vec()
}
