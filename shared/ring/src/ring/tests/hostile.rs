//! Shared memory as an enemy leaves it: any value anywhere. Nothing may panic, everything handed
//! over is within the limits, and a violation stays.

use proptest::prelude::*;

use super::heap::{LANE, Reader, Segments, Writer, pair_at};
use crate::layout::Control;
use crate::primitive::{Bell, Poke};
use crate::ring::{Budget, PushError};
use crate::violation::Violation;

/// A position: anything, or near what would be right, where the checks are decided.
fn position(start: u64) -> impl Strategy<Value = u64> {
    let near = start - 64..start + LANE.capacity + 64;
    prop_oneof![
        1 => any::<u64>(),
        1 => near.clone(),
        4 => near.prop_map(|position| position & !7),
    ]
}

/// A data word: anything, or a header that could be right.
fn word() -> impl Strategy<Value = u64> {
    let header = (0_u64..140, 0_u64..11).prop_map(|(length, kind)| kind << 32 | length);
    prop_oneof![1 => any::<u64>(), 2 => Just(0), 6 => header]
}

fn fill(segments: &Segments, words: &[u64]) {
    for (index, &word) in (0_u64..).zip(words) {
        segments.producers.put(index * 8, word);
    }
}

/// Drains once as a broker does and checks what comes out.
fn drain(consumer: &mut Reader) -> Result<(u64, Bell), Violation> {
    let mut bytes = 0;
    let check = |kind: u8, payload: &[u8]| {
        assert!((1..=LANE.kind_max).contains(&kind));
        assert!(payload.len() <= 120);
        bytes += 8 + payload.len() as u64;
    };
    let drained = consumer.drain(Budget::POLL, check);
    assert!(bytes <= LANE.capacity, "{bytes} bytes out of one snapshot");
    drained.map(|(drained, bell)| (drained.bytes, bell))
}

/// Uses every call of a producer whose peer lies; the first violation must be the last word.
fn produce(producer: &mut Writer, payload: usize) -> Result<(), Violation> {
    match producer.push(1, &vec![1; payload]) {
        Ok(()) | Err(PushError::Full { .. }) => {}
        Err(PushError::Violation(violation)) => return Err(violation),
        Err(error) => panic!("{error}"),
    }
    let _bell = producer.publish();
    assert!(producer.free()? <= LANE.capacity);
    let _room = producer.arm_space(payload as u64)?;
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn a_consumer_survives_any_producer(
        start in prop_oneof![16_u64..200, (1_u64 << 29)..(1 << 29) + 200].prop_map(|n| n * 8),
        snapshots in prop::collection::vec(
            (any::<u64>(), prop::collection::vec(word(), 128), any::<u64>()), 1..6),
        tails in prop::collection::vec(position(1 << 20), 6),
    ) {
        let (_, mut consumer, segments) = pair_at(start);
        let mut first = None;
        for ((_, words, wake), tail) in snapshots.iter().zip(tails) {
            fill(&segments, words);
            // The same distance from the right place, wherever this case starts.
            let tail = tail.wrapping_sub(1 << 20).wrapping_add(start);
            segments.producers.set(Control::Tail, tail);
            segments.producers.set(Control::SpaceWake, *wake);
            let outcome = drain(&mut consumer);
            if let Some(violation) = first {
                prop_assert_eq!(outcome, Err(violation), "poison stays");
            }
            first = first.or(outcome.err());
            let _armed = consumer.arm();
        }
    }

    #[test]
    fn a_producer_survives_any_consumer(
        heads in prop::collection::vec((position(1 << 20), any::<u64>(), 0_usize..121), 1..40),
    ) {
        let (mut producer, _, segments) = pair_at(1 << 20);
        let mut first = None;
        for (head, wake, payload) in heads {
            segments.consumers.set(Control::Head, head);
            segments.consumers.set(Control::DataWake, wake);
            let outcome = produce(&mut producer, payload);
            if let Some(violation) = first {
                prop_assert_eq!(outcome, Err(violation), "poison stays");
            }
            first = first.or(outcome.err());
        }
    }
}
