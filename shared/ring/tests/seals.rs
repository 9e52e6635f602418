//! What another process that holds the descriptors can do to a segment: nothing that the seals
//! forbid. Every attack is first run on an unsealed memfd, where it must succeed; an attack that
//! cannot succeed anywhere would prove nothing. Rows H04, H06 and H08 of the conformance list.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop here")]

mod support;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl};
use nix::sys::mman::ProtFlags;
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::ftruncate;
use support::page::{BYTES, map, unsealed};
use support::{SMALL, exactly, inherited, listed, rings, spawn};

type Attack = (&'static str, fn(BorrowedFd<'_>) -> Result<(), Errno>);

/// Closed on both segments.
const SIZE_AND_SEALS: &[Attack] = &[
    ("shrink", |fd| ftruncate(fd, BYTES / 2)),
    ("shrink to nothing", |fd| ftruncate(fd, 0)),
    ("grow", |fd| ftruncate(fd, BYTES * 2)),
    ("grow by fallocate", |fd| fallocate(fd, FallocateFlags::empty(), BYTES, BYTES)),
    ("truncate by opening", |fd| reopen(fd, libc::O_TRUNC).map(drop)),
    ("add a seal", |fd| seal(fd, SealFlag::F_SEAL_WRITE)),
    ("make executable", |fd| fchmod(fd, Mode::from_bits_retain(0o777))),
];

/// Closed on B, which only the broker writes.
const CONTENT: &[Attack] = &[
    ("write", |fd| write_through(&owned(fd))),
    ("write after reopening", |fd| write_through(&reopen(fd, 0)?)),
    ("map writable", |fd| map(fd, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE).map(drop)),
    ("map writable after reopening", |fd| {
        map(reopen(fd, 0)?.as_fd(), ProtFlags::PROT_READ | ProtFlags::PROT_WRITE).map(drop)
    }),
    ("make a read-only map writable", |fd| {
        let page = map(fd, ProtFlags::PROT_READ)?;
        page.protect(ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)
    }),
    ("punch a hole", |fd| punch(fd)),
    ("punch a hole after reopening", |fd| punch(reopen(fd, 0)?.as_fd())),
    ("zero a range", |fd| fallocate(fd, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, 1).and(punch(fd))),
];

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap())
}

fn owned(fd: BorrowedFd<'_>) -> File {
    fd.try_clone_to_owned().unwrap().into()
}

/// A second open file description, which could have more rights than the inherited one.
fn reopen(fd: BorrowedFd<'_>, flags: i32) -> Result<File, Errno> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(flags);
    options.open(path).map_err(|error| errno(&error))
}

fn write_through(mut file: &File) -> Result<(), Errno> {
    let at_once = file.write_at(b"x", 0).map(drop);
    let streamed = file.write(b"x").map(drop);
    at_once.and(streamed).map_err(|error| errno(&error))
}

fn seal(fd: BorrowedFd<'_>, flag: SealFlag) -> Result<(), Errno> {
    fcntl(fd, FcntlArg::F_ADD_SEALS(flag)).map(drop)
}

fn punch(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    fallocate(fd, hole, 0, BYTES)
}

fn attack(target: &str, fd: &OwnedFd, attacks: &[Attack]) {
    for (name, run) in attacks {
        run(unsealed().as_fd()).unwrap_or_else(|errno| panic!("{name} fails anyway: {errno}"));
        let refused = run(fd.as_fd()).expect_err(&format!("{name} succeeded on {target}"));
        assert!(matches!(refused, Errno::EPERM | Errno::EACCES), "{name} on {target}: {refused}");
    }
}

#[test]
fn another_process_cannot_change_what_is_sealed() {
    if let Some(fds) = inherited() {
        let [b, w, _bell] = exactly(fds);
        attack("B", &b, SIZE_AND_SEALS);
        attack("B", &b, CONTENT);
        attack("W", &w, SIZE_AND_SEALS);
        return;
    }
    let (mut broker, fds) = rings(&SMALL);
    broker.jobs.push(1, b"CONFIG").unwrap();
    broker.jobs.publish();
    let child = spawn("another_process_cannot_change_what_is_sealed", listed(&fds));
    assert!(child.finish().success());
    let mut worker = core_ring::attach(fds.b, fds.w, fds.bell, &SMALL).unwrap();
    let mut seen = Vec::new();
    let take = |kind: u8, bytes: &[u8]| seen.push((kind, bytes.to_vec()));
    worker.jobs.poll(core_ring::Budget::POLL, take).unwrap();
    assert_eq!(seen, [(1, b"CONFIG".to_vec())], "B is as the broker left it");
}

#[test]
fn a_stream_write_needs_no_reopening_to_be_refused() {
    let (_broker, fds) = rings(&SMALL);
    let mut file = owned(fds.b.as_fd());
    let refused = file.write(b"x").unwrap_err();
    assert_eq!(errno(&refused), Errno::EPERM);
}
