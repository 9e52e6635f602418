//! A live process that writes what it likes into W while the broker reads: other values, never a
//! crash, and in the end a violation. Rows H01, H02 and H09 of the conformance list.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop here")]

mod support;

use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use core_ring::{BrokerEnd, Budget, Layout, PushError, Violation};
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use support::{PATIENCE, Random, inherited, rings, spawn};

/// Rings that one child spoils at the same time.
const RINGS: usize = 24;

/// Wide enough that records are read while others are overwritten.
const LAYOUT: Layout = Layout { b_bytes: 4096, w_bytes: 8192, kind_max: 9 };

/// Words of W: a page of control words, then the data.
const WORDS: u64 = (4096 + 8192) / 8;

/// Numbers of the control words, 128 bytes apart.
const TAIL: u64 = 0;
const HEAD: u64 = 16;

/// How long the child writes at most; it is killed before.
const SCRIBBLE_MAX: Duration = Duration::from_secs(50);

/// How long half of the rings stay plausible, so that they are read for a while.
const PLAUSIBLE: Duration = Duration::from_millis(300);

/// W as its owner may use it: any word, any value.
struct Words(NonNull<AtomicU64>);

impl Words {
    /// Maps the control page, and the data too if it is W.
    fn map(fd: &OwnedFd, prot: ProtFlags) -> Self {
        let writable = prot.contains(ProtFlags::PROT_WRITE);
        let bytes = NonZeroUsize::new(if writable { 4096 + 8192 } else { 4096 }).unwrap();
        // SAFETY: a new mapping at an address of the kernel's choice, kept until the process ends.
        let base = unsafe { mmap(None, bytes, prot, MapFlags::MAP_SHARED, fd, 0) };
        Self(base.unwrap().cast())
    }

    fn cell(&self, word: u64) -> *const AtomicU64 {
        let index = usize::try_from(word).unwrap();
        // SAFETY: `put` stays below the words of W, `load` within the control page.
        unsafe { self.0.add(index) }.as_ptr()
    }

    fn put(&self, word: u64, value: u64) {
        // SAFETY: an aligned word of a writable mapping that is only accessed atomically here.
        unsafe { &*self.cell(word % WORDS) }.store(value, Ordering::Relaxed);
    }

    fn load(&self, word: u64) -> u64 {
        // SAFETY: an aligned word of the control page, loaded relaxed.
        unsafe { &*self.cell(word % 512) }.load(Ordering::Relaxed)
    }
}

/// How the child treats a ring.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Records of eight words on a grid, rewritten while they are read: never a violation.
    Plausible,
    /// Anything.
    Wild,
}

/// A data word that keeps to the grid.
fn on_the_grid(index: u64, random: &mut Random) -> u64 {
    let header = (1 + random.below(9)) << 32 | 56;
    if index.is_multiple_of(8) { header } else { random.next() }
}

/// Spoils one ring for a moment. `head` is how far the broker has read.
fn spoil(words: &Words, random: &mut Random, head: u64, tail: &mut u64, manner: Manner) {
    let kinds = if manner == Manner::Plausible { 6 } else { 12 };
    for _ in 0..64 {
        let index = random.below(1024);
        match random.below(kinds) {
            0..=4 => words.put(512 + index, on_the_grid(index, random)),
            5 => {
                *tail = (*tail).max(head + 64 * random.below(129));
                words.put(TAIL, *tail);
            }
            6 => words.put(TAIL, random.next() & !7),
            7 => words.put(HEAD, random.below(4096)),
            8 => words.put(random.next(), random.next()),
            9 => words.put(random.below(512), random.next()),
            10 => words.put(512 + index, 0),
            _ => words.put(512 + index, random.next()),
        }
    }
}

fn punch(w: &OwnedFd) {
    let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    fallocate(w, hole, 4096, 8192).unwrap();
}

fn scribble(fds: &[OwnedFd]) {
    let rw = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let (b, w) = fds.split_at(RINGS);
    let heads: Vec<Words> = b.iter().map(|fd| Words::map(fd, ProtFlags::PROT_READ)).collect();
    let rings: Vec<Words> = w.iter().map(|fd| Words::map(fd, rw)).collect();
    let mut random = Random(u64::from(std::process::id()));
    for words in &rings {
        (0..1024).for_each(|index| words.put(512 + index, on_the_grid(index, &mut random)));
    }
    let mut tails = [0; RINGS];
    let began = Instant::now();
    while began.elapsed() < SCRIBBLE_MAX {
        let late = began.elapsed() > PLAUSIBLE;
        for (ring, words) in rings.iter().enumerate() {
            let manner = if late || ring % 2 == 0 { Manner::Wild } else { Manner::Plausible };
            spoil(words, &mut random, heads[ring].load(HEAD), &mut tails[ring], manner);
        }
        if late {
            w.iter().for_each(punch);
        }
    }
}

/// What the broker got out of a ring before it gave the worker up.
#[derive(Default)]
struct Fate {
    records: usize,
    violation: Option<Violation>,
    refused: Option<PushError>,
}

fn read(broker: &mut BrokerEnd, fate: &mut Fate) {
    let check = |kind: u8, payload: &[u8]| {
        assert!((1..=9).contains(&kind));
        assert!(payload.len() <= LAYOUT.token_payload_max());
    };
    match broker.tokens.drain(Budget::POLL, check) {
        Ok(drained) => {
            assert!(drained.bytes <= 8192 && fate.violation.is_none(), "poison wears off");
            fate.records += drained.records;
        }
        Err(violation) => assert_eq!(*fate.violation.get_or_insert(violation), violation),
    }
    match broker.jobs.push(1, b"job") {
        Ok(()) => assert!(fate.refused.is_none(), "poison wears off"),
        Err(PushError::Full { .. }) => {}
        Err(error) => fate.refused = Some(error),
    }
    broker.jobs.publish();
}

#[test]
fn a_scribbling_worker_is_found_out_and_harms_nothing() {
    if let Some(fds) = inherited() {
        return scribble(&fds);
    }
    let (mut brokers, fds): (Vec<_>, Vec<_>) = (0..RINGS).map(|_| rings(&LAYOUT)).unzip();
    let mut fates: Vec<Fate> = (0..RINGS).map(|_| Fate::default()).collect();
    let test = "a_scribbling_worker_is_found_out_and_harms_nothing";
    let listed = fds.iter().map(|fds| fds.b.as_fd()).chain(fds.iter().map(|fds| fds.w.as_fd()));
    let child = spawn(test, listed);
    let began = Instant::now();
    while fates.iter().any(|fate| fate.violation.is_none()) && began.elapsed() < PATIENCE / 2 {
        for (broker, fate) in brokers.iter_mut().zip(&mut fates) {
            read(broker, fate);
        }
    }
    child.kill();
    let unnoticed = fates.iter().filter(|fate| fate.violation.is_none()).count();
    assert_eq!(unnoticed, 0, "rings whose worker was not found out");
    let records: usize = fates.iter().map(|fate| fate.records).sum();
    assert!(records > 100, "only {records} records were read while they changed");
    assert!(fates.iter().any(|fate| fate.refused.is_some()), "no lying head was noticed");
    for broker in &mut brokers {
        assert!(broker.tokens.drain_dead(|_, _| ()).is_err(), "poison outlives the worker");
    }
}
