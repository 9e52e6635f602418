//! M rows: memory that must not be had, or must not become code. H04: the size of a segment.

use core_tests::trace::Arg;
use nix::{errno::Errno, libc};

use super::{killed, num, text, unsigned};
use crate::attack::Attack;

/// `READ_IMPLIES_EXEC` of personality(2).
const READ_IMPLIES_EXEC: u64 = 0x40_0000;
const PAGE: u64 = 4096;
/// Far below any program and library.
const CHOSEN: u64 = 0x1000_0000;
/// `MREMAP_MAYMOVE` and `MREMAP_FIXED` of mremap(2).
const MOVE_FIXED: u64 = 3;

pub(super) fn all() -> Vec<Attack> {
    [code(), shared(), locked()].concat()
}

/// A page of its own, for calls that change one.
fn page() -> (i64, Vec<Arg>) {
    let both = libc::PROT_READ | libc::PROT_WRITE;
    (libc::SYS_mmap, map(both, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS))
}

fn map(protection: i32, flags: i32) -> Vec<Arg> {
    let (protection, flags) = (num(unsigned(protection)), num(unsigned(flags)));
    vec![num(0), num(PAGE), protection, flags, num(u64::MAX), num(0)]
}

fn code() -> Vec<Attack> {
    let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let read_exec = libc::PROT_READ | libc::PROT_EXEC;
    let rwx = read_exec | libc::PROT_WRITE;
    let (first, arguments) = page();
    let protect = |what, number| {
        let arguments_of = vec![Arg::Prior, num(PAGE), num(unsigned(rwx)), num(u64::MAX)];
        killed("M02", what, number, arguments_of).after(first, arguments.clone())
    };
    vec![
        killed("M01", "mmap RWX", libc::SYS_mmap, map(rwx, private)),
        killed("M01", "mmap RX", libc::SYS_mmap, map(read_exec, private)),
        killed("M01", "mmap a stack RWX", libc::SYS_mmap, map(rwx, private | libc::MAP_STACK)),
        killed("M01", "mmap X", libc::SYS_mmap, map(libc::PROT_EXEC, private)),
        protect("mprotect RWX", libc::SYS_mprotect),
        protect("pkey_mprotect RWX", libc::SYS_pkey_mprotect),
        killed("M07", "personality", libc::SYS_personality, vec![num(READ_IMPLIES_EXEC)]),
        killed("M07", "ask for the personality", libc::SYS_personality, {
            vec![num(u64::from(u32::MAX))]
        }),
    ]
}

/// A page to read at an address where nothing is.
fn chosen() -> Vec<Arg> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    vec![num(CHOSEN), num(PAGE), num(1), num(unsigned(flags)), num(u64::MAX), num(0)]
}

fn shared() -> Vec<Attack> {
    let both = libc::PROT_READ | libc::PROT_WRITE;
    let shared = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    let model = vec![num(0), num(PAGE), num(1), num(unsigned(libc::MAP_SHARED)), num(8), num(0)];
    vec![
        killed("M03", "mmap shared memory", libc::SYS_mmap, map(both, shared)),
        killed("M03", "mmap a file while serving", libc::SYS_mmap, model).at_serve(),
        killed("M03", "map the own model to write", libc::SYS_mmap, {
            vec![num(0), num(PAGE), num(3), num(unsigned(libc::MAP_SHARED)), num(8), num(0)]
        })
        .reaching(Errno::EACCES),
        killed("M03", "mmap at a chosen address", libc::SYS_mmap, chosen()),
        killed("M03", "mremap to a chosen address", libc::SYS_mremap, {
            vec![Arg::Prior, num(PAGE), num(PAGE), num(MOVE_FIXED), num(CHOSEN)]
        })
        .after(page().0, page().1),
        killed("M08", "share memory by what is in it", libc::SYS_madvise, {
            vec![Arg::Prior, num(PAGE), num(unsigned(libc::MADV_MERGEABLE))]
        })
        .after(page().0, page().1)
        .anyhow(),
        killed("M05", "memfd_create", libc::SYS_memfd_create, vec![text("x"), num(0)]),
        killed("M05", "memfd_secret", libc::SYS_memfd_secret, vec![num(0)]).anyhow(),
        killed("M08", "shmget", libc::SYS_shmget, vec![num(0), num(0), num(0o600)])
            .reaching(Errno::EINVAL),
        killed("M08", "remap_file_pages", libc::SYS_remap_file_pages, super::zeros()).anyhow(),
        killed("H04", "ftruncate of a memory file", libc::SYS_ftruncate, {
            vec![Arg::Prior, num(PAGE)]
        })
        .after(libc::SYS_memfd_create, vec![text("x"), num(0)]),
        killed("H04", "fallocate", libc::SYS_fallocate, vec![num(2), num(0), num(0), num(PAGE)])
            .reaching(Errno::ESPIPE),
    ]
}

fn locked() -> Vec<Attack> {
    let (first, arguments) = page();
    vec![
        killed("M10", "mlock", libc::SYS_mlock, vec![Arg::Prior, num(PAGE)])
            .after(first, arguments.clone()),
        killed("M10", "mlock2", libc::SYS_mlock2, vec![Arg::Prior, num(PAGE), num(0)])
            .after(first, arguments),
        killed("M10", "mlockall", libc::SYS_mlockall, vec![num(2)]).anyhow(),
    ]
}
