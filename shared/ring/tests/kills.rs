//! A worker killed at any instant: what it published is whole and complete, what it had not
//! published never appears. Row H12 of the conformance list.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop here")]

mod support;

use std::time::{Duration, Instant};

use core_ring::{Layout, attach};
use support::{PATIENCE, Random, exactly, inherited, listed, rings, spawn};

/// Kills per run, about two seconds; `CORE_RING_KILLS=1000` asks for the number of the guide.
const KILLS: u64 = 250;

/// Longest life after the first record, in microseconds: a few times round the ring.
const LIFE_MICROS_MAX: u64 = 3_000;

/// Records of 8 to 200 bytes go round this ring every few dozen.
const LAYOUT: Layout = Layout { b_bytes: 4096, w_bytes: 8192, kind_max: 9 };

#[test]
fn a_killed_worker_leaves_only_whole_records() {
    if let Some(fds) = inherited() {
        let [b, w, bell] = exactly(fds);
        let mut worker = attach(b, w, bell, &LAYOUT).unwrap();
        for number in 0_u64.. {
            let payload = record(number);
            worker.tokens.push_wait_space(kind(number), &payload, PATIENCE).unwrap();
            if number % 3 == 0 {
                worker.tokens.publish();
            }
        }
    }
    let kills = std::env::var("CORE_RING_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let mut random = Random(kills);
    let mut left_after_death = 0;
    for _ in 0..kills {
        let life = Duration::from_micros(random.below(LIFE_MICROS_MAX));
        left_after_death += kill_one(life);
    }
    assert!(left_after_death > 0, "no kill came while records were in the ring");
}

/// The payload tells its number and fills itself with it, so that a torn one cannot be right.
fn record(number: u64) -> Vec<u8> {
    let length = 8 + usize::try_from(number * 37 % 193).unwrap();
    let mut payload = number.to_le_bytes().to_vec();
    payload.resize(length, number.to_le_bytes()[0]);
    payload
}

fn kind(number: u64) -> u8 {
    1 + u8::try_from(number % 9).unwrap()
}

/// Lets one worker live, reads along, kills it, reads the rest; how many came after its death.
fn kill_one(life: Duration) -> usize {
    let (broker, fds) = rings(&LAYOUT);
    let (_jobs, mut tokens) = broker.split();
    let child = spawn("a_killed_worker_leaves_only_whole_records", listed(&fds));
    drop(fds);
    let mut next = 0;
    let mut check = |got_kind: u8, payload: &[u8]| {
        assert_eq!((got_kind, payload), (kind(next), &record(next)[..]), "record {next}");
        next += 1;
    };
    let mut began = None;
    let spawned = Instant::now();
    // One record at a time, so that some are always left for the time after.
    let budget = core_ring::Budget { records: 1, bytes: 1 };
    while began.is_none_or(|first: Instant| first.elapsed() < life) {
        let drained = tokens.drain(budget, &mut check).unwrap();
        if drained.records > 0 {
            began.get_or_insert_with(Instant::now);
        }
        assert!(began.is_some() || spawned.elapsed() < PATIENCE, "the child never wrote");
        std::thread::yield_now();
    }
    let status = child.kill();
    assert!(!status.success(), "it was killed, it did not end: {status}");
    let rest = tokens.drain_dead(&mut check).unwrap();
    assert!(!rest.more);
    assert_eq!(tokens.drain_dead(&mut check).unwrap().records, 0);
    rest.records
}
