//! One lie at a time, each with the violation that names it.

use super::heap::{LANE, pair};
use super::read_all;
use crate::layout::Control;
use crate::primitive::Poke;
use crate::ring::Budget;
use crate::violation::Violation;

/// H01 and H02: the peer moves a position where no correct peer does.
#[test]
fn a_lying_consumer_is_named_and_the_producer_poisoned() {
    let lies = [
        (8 + LANE.capacity, Violation::HeadBeyond { head: 8 + LANE.capacity, tail: 64 }),
        (72, Violation::HeadBeyond { head: 72, tail: 64 }),
        (33, Violation::Misaligned { position: 33 }),
        (16, Violation::HeadBackwards { head: 16, seen: 32 }),
    ];
    for (head, violation) in lies {
        let (mut producer, _, segments) = pair();
        producer.push(1, &[0; 56]).unwrap();
        let _bell = producer.publish();
        segments.consumers.set(Control::Head, 32);
        assert_eq!(producer.free(), Ok(LANE.capacity - 32));
        segments.consumers.set(Control::Head, head);
        assert_eq!(producer.free(), Err(violation));
        segments.consumers.set(Control::Head, 64);
        assert_eq!(producer.push(1, b"x"), Err(violation.into()), "poison stays");
        assert_eq!(producer.arm_space(8), Err(violation));
    }
}

/// What is written but not published is invisible to an honest consumer, so it cannot be read.
#[test]
fn reading_ahead_of_the_publication_is_a_lie() {
    let (mut producer, _, segments) = pair();
    producer.push(1, &[0; 56]).unwrap();
    segments.consumers.set(Control::Head, 8);
    assert_eq!(producer.free(), Err(Violation::HeadBeyond { head: 8, tail: 0 }));
}

#[test]
fn a_lying_producer_is_named_and_the_consumer_poisoned() {
    let capacity = LANE.capacity;
    let beyond = 64 + capacity + 8;
    let lies = [
        (beyond, Violation::TailBeyond { tail: beyond, head: 64, capacity }),
        (!7, Violation::TailBeyond { tail: !7, head: 64, capacity }),
        (65, Violation::Misaligned { position: 65 }),
        (56, Violation::TailBackwards { tail: 56, seen: 64 }),
        (0, Violation::TailBackwards { tail: 0, seen: 64 }),
    ];
    for (tail, violation) in lies {
        let (mut producer, mut consumer, segments) = pair();
        producer.push(1, &[0; 56]).unwrap();
        let _bell = producer.publish();
        assert_eq!(read_all(&mut consumer).len(), 1);
        segments.producers.set(Control::Tail, tail);
        assert_eq!(consumer.drain(Budget::ALL, |_, _| ()), Err(violation));
        segments.producers.set(Control::Tail, 64);
        assert_eq!(consumer.drain(Budget::ALL, |_, _| ()), Err(violation), "poison stays");
    }
}

#[test]
fn a_bad_record_is_named_after_the_good_ones_before_it() {
    let lies: [(u64, Violation); 4] = [
        (1 << 40, Violation::HeaderBits { bits: 1 }),
        (0, Violation::Kind { kind: 0, limit: 9 }),
        (1 << 32 | 121, Violation::Length { bytes: 136, limit: 128 }),
        (1 << 32 | 9, Violation::Torn { bytes: 24, published: 16 }),
    ];
    for (header, violation) in lies {
        let (mut producer, mut consumer, segments) = pair();
        producer.push(1, b"good").unwrap();
        producer.push(1, b"evil").unwrap();
        let _bell = producer.publish();
        segments.producers.put(16, header);
        let mut seen = 0;
        assert_eq!(consumer.drain(Budget::ALL, |_, _| seen += 1), Err(violation));
        assert_eq!(seen, 1);
    }
}

#[test]
fn padding_that_carries_something_is_refused() {
    let (mut producer, mut consumer, segments) = pair();
    producer.push(1, b"four").unwrap();
    let _bell = producer.publish();
    segments.producers.put(8, u64::from_le_bytes(*b"four\0\0\x01\0"));
    let refused = consumer.drain(Budget::ALL, |_, _| ());
    assert_eq!(refused, Err(Violation::Padding { length: 4 }));
}

/// A tail that is shown and taken back: it was seen, so it is a lie however short it stood.
#[test]
fn a_record_that_is_taken_back_is_a_lie() {
    let (_, mut consumer, segments) = pair();
    segments.producers.set(Control::Tail, 16);
    assert!(consumer.is_pending());
    segments.producers.set(Control::Tail, 0);
    assert!(consumer.is_pending(), "a violation is worth a drain");
    let violation = Violation::TailBackwards { tail: 0, seen: 16 };
    assert_eq!(consumer.drain(Budget::ALL, |_, _| ()), Err(violation));
}
