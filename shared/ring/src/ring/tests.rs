//! The roles over a heap array: what they do, what they refuse. The submodules compare them with a
//! queue, feed them hostile memory, and model their fences.

mod against_queue;
mod cells;
mod heap;
mod hostile;
mod liars;
mod models;

use heap::{Heap, LANE, pair, pair_at};

use super::*;
use crate::layout::Control;
use crate::primitive::{AWAKE, Bell, Peek, Poke, passes};

fn read_all(consumer: &mut heap::Reader) -> Vec<(u8, Vec<u8>)> {
    let mut records = Vec::new();
    let take = |kind: u8, bytes: &[u8]| records.push((kind, bytes.to_vec()));
    let (_, _bell) = consumer.drain(Budget::ALL, take).unwrap();
    records
}

#[test]
fn records_come_out_in_order_after_publish_and_not_before() {
    let (mut producer, mut consumer, _) = pair();
    producer.push(1, b"prefill").unwrap();
    producer.push(2, b"").unwrap();
    assert!(read_all(&mut consumer).is_empty());
    let _bell = producer.publish();
    assert_eq!(read_all(&mut consumer), [(1, b"prefill".to_vec()), (2, Vec::new())]);
    assert!(read_all(&mut consumer).is_empty());
}

/// H02: positions are 64 bits wide, so 2^32 is a number like any other.
#[test]
fn positions_pass_two_to_the_32() {
    let (mut producer, mut consumer, _) = pair_at((1 << 32) - 64);
    for round in 0..64_u8 {
        producer.push(1, &[round; 13]).unwrap();
        let _bell = producer.publish();
        assert_eq!(read_all(&mut consumer), [(1, vec![round; 13])]);
    }
}

#[test]
fn a_full_ring_says_how_much_is_missing_and_loses_nothing() {
    let (mut producer, mut consumer, _) = pair();
    let payload = [7; 120];
    let mut pushed = 0;
    let full = loop {
        match producer.push(1, &payload) {
            Ok(()) => pushed += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((pushed, full), (8, PushError::Full { needed: 128, free: 0 }));
    let _bell = producer.publish();
    assert_eq!(read_all(&mut consumer).len(), 8);
    producer.push(1, &payload).unwrap();
}

#[test]
fn what_never_fits_and_unknown_kinds_are_refused() {
    let (mut producer, ..) = pair();
    assert_eq!(producer.push(1, &[0; 121]), Err(PushError::TooLarge { needed: 136, limit: 128 }));
    assert_eq!(producer.push(0, b"x"), Err(PushError::Kind { kind: 0, limit: 9 }));
    assert_eq!(producer.push(10, b"x"), Err(PushError::Kind { kind: 10, limit: 9 }));
    producer.push(9, &[0; 120]).unwrap();
}

#[test]
fn a_budget_ends_the_drain_between_records() {
    let (mut producer, mut consumer, _) = pair();
    for _ in 0..8 {
        producer.push(1, &[1; 56]).unwrap();
    }
    let _bell = producer.publish();
    let mut take = |records, bytes| {
        let (drained, _) = consumer.drain(Budget { records, bytes }, |_, _| ()).unwrap();
        (drained.records, drained.bytes, drained.more)
    };
    assert_eq!(take(3, 1 << 16), (3, 192, true));
    assert_eq!(take(256, 65), (2, 128, true));
    assert_eq!(take(256, 0), (0, 0, true));
    assert_eq!(take(256, 1 << 16), (3, 192, false));
}

#[test]
fn the_bell_is_due_once_per_park_and_never_for_the_awake() {
    let (mut producer, mut consumer, _) = pair();
    let mut publish = |payload: &[u8]| {
        producer.push(1, payload).unwrap();
        producer.publish()
    };
    assert_eq!(publish(b"nobody sleeps"), Bell::Quiet);
    assert!(!consumer.arm(), "something is there");
    read_all(&mut consumer);
    assert!(consumer.arm());
    assert_eq!(publish(b"first"), Bell::Due);
    assert_eq!(publish(b"second"), Bell::Quiet);
    assert_eq!(producer.publish(), Bell::Quiet, "nothing new");
}

#[test]
fn the_space_bell_rings_when_the_record_fits_and_not_before() {
    let (mut producer, mut consumer, segments) = pair();
    for _ in 0..8 {
        producer.push(1, &[1; 120]).unwrap();
    }
    let _bell = producer.publish();
    // Room for two records of 128 bytes in a full ring of 1024.
    assert_eq!(producer.arm_space(256), Ok(Room::Later));
    let one = Budget { records: 1, bytes: u64::MAX };
    assert_eq!(consumer.drain(one, |_, _| ()).unwrap().1, Bell::Quiet);
    assert_eq!(consumer.drain(one, |_, _| ()).unwrap().1, Bell::Due);
    assert_eq!(consumer.drain(one, |_, _| ()).unwrap().1, Bell::Quiet);
    assert_eq!(producer.arm_space(256), Ok(Room::Now));
    producer.disarm_space();
    assert_eq!(segments.producers.control(Control::SpaceWake), AWAKE);
}

#[test]
fn a_wake_word_is_passed_from_itself_on() {
    for (old, wake_at, new, rings) in [
        (0, 0, 8, true),
        (8, 0, 16, false),
        (0, 8, 8, false),
        (0, 7, 8, true),
        (0, AWAKE, u64::MAX - 8, false),
        (u64::MAX - 15, u64::MAX - 7, 8, true),
    ] {
        assert_eq!(passes(old, wake_at, new), rings, "{old} {wake_at} {new}");
    }
}

#[test]
fn an_old_payload_does_not_shine_through_the_padding() {
    let (mut producer, mut consumer, segments) = pair();
    for position in (0..LANE.capacity).step_by(8) {
        segments.producers.put(position, u64::MAX);
    }
    producer.push(3, b"abc").unwrap();
    let _bell = producer.publish();
    assert_eq!(read_all(&mut consumer), [(3, b"abc".to_vec())]);
}

#[test]
fn a_heap_segment_is_shared_by_its_clones() {
    let heap = Heap::new(LANE.capacity);
    heap.clone().put(8, 5);
    assert_eq!(heap.data(8 + LANE.capacity), 5);
}
