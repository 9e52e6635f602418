//! P24, P25: keys and the administration of the kernel. Real arguments would harm the machine or be
//! refused to an ordinary user; what counts is that the number alone kills.

use core_tests::trace::Arg;
use nix::libc;

use super::{bytes, killed, num, text, zeros};
use crate::attack::Attack;

/// Row, name and number of calls that are tried with zeros.
const USELESS: [(&str, i64); 43] = [
    ("bpf", libc::SYS_bpf),
    ("perf_event_open", libc::SYS_perf_event_open),
    ("io_uring_setup", libc::SYS_io_uring_setup),
    ("io_uring_enter", libc::SYS_io_uring_enter),
    ("io_uring_register", libc::SYS_io_uring_register),
    ("init_module", libc::SYS_init_module),
    ("finit_module", libc::SYS_finit_module),
    ("delete_module", libc::SYS_delete_module),
    ("kexec_load", libc::SYS_kexec_load),
    ("kexec_file_load", libc::SYS_kexec_file_load),
    ("syslog", libc::SYS_syslog),
    ("swapon", libc::SYS_swapon),
    ("swapoff", libc::SYS_swapoff),
    ("reboot", libc::SYS_reboot),
    ("acct", libc::SYS_acct),
    ("quotactl", libc::SYS_quotactl),
    ("settimeofday", libc::SYS_settimeofday),
    ("clock_settime", libc::SYS_clock_settime),
    ("adjtimex", libc::SYS_adjtimex),
    ("sethostname", libc::SYS_sethostname),
    ("setdomainname", libc::SYS_setdomainname),
    ("iopl", libc::SYS_iopl),
    ("ioperm", libc::SYS_ioperm),
    ("modify_ldt", libc::SYS_modify_ldt),
    ("vhangup", libc::SYS_vhangup),
    ("fanotify_init", libc::SYS_fanotify_init),
    ("inotify_init1", libc::SYS_inotify_init1),
    ("lookup_dcookie", libc::SYS_lookup_dcookie),
    ("move_pages", libc::SYS_move_pages),
    ("migrate_pages", libc::SYS_migrate_pages),
    ("mbind", libc::SYS_mbind),
    ("sched_setaffinity", libc::SYS_sched_setaffinity),
    ("sched_setscheduler", libc::SYS_sched_setscheduler),
    ("setpriority", libc::SYS_setpriority),
    ("ioprio_set", libc::SYS_ioprio_set),
    ("prlimit64", libc::SYS_prlimit64),
    ("setrlimit", libc::SYS_setrlimit),
    ("timer_create", libc::SYS_timer_create),
    ("mq_open", libc::SYS_mq_open),
    ("semget", libc::SYS_semget),
    ("splice", libc::SYS_splice),
    ("vmsplice", libc::SYS_vmsplice),
    ("sendfile", libc::SYS_sendfile),
];

pub(super) fn all() -> Vec<Attack> {
    let useless = |(what, number)| killed("P25", what, number, zeros()).anyhow();
    let mut attacks: Vec<_> = USELESS.into_iter().map(useless).collect();
    attacks.push(killed("P25", "userfaultfd", libc::SYS_userfaultfd, vec![num(1)]).anyhow());
    attacks.extend(keys());
    attacks
}

fn keys() -> Vec<Attack> {
    // KEY_SPEC_SESSION_KEYRING of keyctl(2).
    let session = || num((-3_i64).cast_unsigned());
    let named = || vec![text("user"), text("core"), Arg::Text("secret".into()), num(6), session()];
    vec![
        killed("P24", "add_key", libc::SYS_add_key, named()).anyhow(),
        killed("P24", "request_key", libc::SYS_request_key, {
            vec![text("user"), text("core"), num(0), num(0)]
        })
        .anyhow(),
        killed("P24", "keyctl", libc::SYS_keyctl, vec![num(0), session(), bytes(8)]).anyhow(),
    ]
}
