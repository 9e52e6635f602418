//! Ring images that no producer writes, read by the broker's end over real sealed memory.
//!
//! The bytes of W are written through its descriptor, as a worker could that keeps it; the reader
//! is the one that ships. What it hands over goes through the decoder that ships.

use std::{
    fs::File,
    ops::Range,
    os::unix::fs::FileExt,
    time::{Duration, Instant},
};

use core_ring::{Budget, Layout, TokenReceiver, Violation, create};
use core_tests::gguf::rng::SplitMix;
use core_wire::{
    untrusted::Untrusted,
    worker::{KIND_MAX, ToBroker},
};

use crate::{corpora, number};

/// How long it runs unless a count is asked for.
const TIME: Duration = Duration::from_secs(10);
/// The smallest ring: every position wraps often.
const DATA_BYTES: u64 = 4096;
/// Where the data begins, behind the page of control words.
const DATA_AT: u64 = 4096;
/// Where control words lie: tail, head, data wake, space wake, pulse.
const CONTROLS: [u64; 5] = [0, 128, 256, 384, 512];
/// Bytes that lengths and tags are made of.
const EDGES: [u8; 6] = [0, 1, 0x7f, 0xfb, 0xfd, 0xff];
/// Records of one image.
const RECORDS_MAX: usize = 6;

/// What became of the images.
#[derive(Debug, Default)]
struct Tally {
    images: u64,
    violations: u64,
    records: u64,
    refused: u64,
}

/// A ring as its reader has it, and W's descriptor.
struct Target {
    tokens: TokenReceiver,
    w: File,
    tail: u64,
}

impl Target {
    fn new() -> Self {
        let data = usize::try_from(DATA_BYTES).expect("it fits");
        let layout = Layout { b_bytes: data, w_bytes: data, kind_max: KIND_MAX };
        let (end, fds) = create(&layout).expect("a ring");
        Self { tokens: end.split().1, w: fds.w.into(), tail: 0 }
    }

    fn put(&self, at: u64, bytes: &[u8]) {
        self.w.write_all_at(bytes, at).expect("W takes writes");
    }

    /// Writes data from a position on, around the end.
    fn write(&self, position: u64, bytes: &[u8]) {
        let at = position % DATA_BYTES;
        let first = bytes.len().min(usize::try_from(DATA_BYTES - at).expect("it fits"));
        self.put(DATA_AT + at, &bytes[..first]);
        self.put(DATA_AT, &bytes[first..]);
    }

    /// One image: records in a row, spoilt; then the reader's look at it.
    fn round(&mut self, seeds: &[(u8, Vec<u8>)], noise: &mut SplitMix, tally: &mut Tally) -> bool {
        let (mut image, mut payloads) = (Vec::new(), Vec::new());
        for _ in 0..=noise.below(RECORDS_MAX) {
            let (kind, payload) = &seeds[noise.below(seeds.len())];
            let start = image.len() + 8;
            payloads.push(start..start + payload.len());
            append(&mut image, *kind, payload);
        }
        let mut tail = self.tail + image.len() as u64;
        spoil(&mut image, &payloads, &mut tail, noise);
        self.write(self.tail, &image);
        if noise.below(16) == 0 {
            self.put(CONTROLS[1 + noise.below(4)], &noise.draw().to_le_bytes());
        }
        self.put(CONTROLS[0], &tail.to_le_bytes());
        self.read(tail, tally)
    }

    /// Whether the ring can still be used.
    fn read(&mut self, tail: u64, tally: &mut Tally) -> bool {
        let (mut records, mut refused) = (0, 0);
        let drained = self.tokens.drain(Budget::POLL, |kind, payload| {
            assert!(payload.len() as u64 <= DATA_BYTES / 8 && (1..=KIND_MAX).contains(&kind));
            records += 1;
            refused += u64::from(ToBroker::read(kind, Untrusted::new(payload)).is_err());
        });
        tally.images += 1;
        tally.records += records;
        tally.refused += refused;
        match drained {
            Ok(drained) => {
                assert_eq!((drained.records as u64, drained.more), (records, false));
                assert_eq!(drained.bytes, tail - self.tail, "not all of it, or more");
                self.tail = tail;
                true
            }
            Err(violation) => {
                tally.violations += 1;
                assert_eq!(self.tokens.drain(Budget::POLL, forget), Err(violation));
                false
            }
        }
    }
}

fn forget(_kind: u8, _payload: &[u8]) {}

fn append(image: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    let header = payload.len() as u64 | u64::from(kind) << 32;
    image.extend_from_slice(&header.to_le_bytes());
    image.extend_from_slice(payload);
    image.resize(image.len().next_multiple_of(8), 0);
}

/// Half of the images keep their form, so that what stands in the records is read as well.
fn spoil(image: &mut [u8], payloads: &[Range<usize>], tail: &mut u64, noise: &mut SplitMix) {
    let form = noise.below(2) == 0;
    for _ in 0..=noise.below(3) {
        let payload = &payloads[noise.below(payloads.len())];
        let at = match payload.len() {
            length @ 1.. if !form => payload.start + noise.below(length),
            _ if !form => continue,
            _ => noise.below(image.len()),
        };
        match noise.below(8) {
            0..=4 => image[at] ^= 1 << noise.below(8),
            5 => image[at] = noise.byte(),
            6 if form => {
                let word = at & !7;
                image[word..word + 8].copy_from_slice(&noise.draw().to_le_bytes());
            }
            7 if form => {
                let further = [8, 4, DATA_BYTES, 1 << 32, 0_u64.wrapping_sub(8), noise.draw()];
                *tail = tail.wrapping_add(further[noise.below(further.len())]);
            }
            _ => image[at] = EDGES[noise.below(EDGES.len())],
        }
    }
}

#[test]
fn no_image_of_a_ring_harms_its_reader() {
    let seeds: Vec<_> =
        corpora::records().into_iter().filter(|(_, bytes)| bytes.len() < 500).collect();
    let count = number("CORE_MUTATIONS");
    let began = Instant::now();
    let mut noise = SplitMix::new(0x7269_6e67, 0);
    let mut tally = Tally::default();
    let mut target = Target::new();
    let goes_on = |images| match count {
        Some(count) => images < count,
        None => began.elapsed() < TIME,
    };
    while goes_on(tally.images) {
        if !target.round(&seeds, &mut noise, &mut tally) {
            target = Target::new();
        }
    }
    println!("{tally:?} in {:?}", began.elapsed());
    // A mutator that only ever broke headers, or never did, would test half of it.
    assert!(tally.violations > tally.images / 100, "{tally:?}");
    assert!(tally.records > tally.images && tally.refused > tally.images / 100, "{tally:?}");
}

/// The look from the other side: what is right is read whole.
#[test]
fn an_image_that_nobody_spoilt_is_read_whole() {
    let mut target = Target::new();
    let mut tally = Tally::default();
    let mut expected = 0;
    for (kind, payload) in corpora::records().iter().filter(|(_, bytes)| bytes.len() < 500) {
        let mut image = Vec::new();
        append(&mut image, *kind, payload);
        target.write(target.tail, &image);
        let tail = target.tail + image.len() as u64;
        target.put(CONTROLS[0], &tail.to_le_bytes());
        assert!(target.read(tail, &mut tally));
        expected += 1;
    }
    assert_eq!((tally.records, tally.refused), (expected, 0));
    let backwards = target.tail - 8;
    target.put(CONTROLS[0], &backwards.to_le_bytes());
    let found = target.tokens.drain(Budget::POLL, forget);
    let seen = target.tail;
    assert_eq!(found, Err(Violation::TailBackwards { tail: backwards, seen }));
}
