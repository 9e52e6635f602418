//! The ring against the simplest thing that is right: a queue of whole records.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::heap::{LANE, Reader, Writer, pair_at};
use crate::record::record_bytes;
use crate::ring::{Budget, PushError};

#[derive(Clone, Debug)]
enum Step {
    Push { kind: u8, payload: Vec<u8> },
    Publish,
    Drain(Budget),
    Free,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let payload = prop::collection::vec(any::<u8>(), 0..130);
    let budget = (0_usize..20, 0_u64..1200);
    let step = prop_oneof![
        4 => (1_u8..=9, payload).prop_map(|(kind, payload)| Step::Push { kind, payload }),
        2 => Just(Step::Publish),
        2 => budget.prop_map(|(records, bytes)| Step::Drain(Budget { records, bytes })),
        1 => Just(Step::Free),
    ];
    prop::collection::vec(step, 1..300)
}

/// The ring with the queue that it must equal.
struct Checked {
    producer: Writer,
    consumer: Reader,
    published: VecDeque<(u8, Vec<u8>)>,
    pending: Vec<(u8, Vec<u8>)>,
    /// Bytes pushed and not yet drained.
    used: u64,
}

impl Checked {
    fn push(&mut self, kind: u8, payload: Vec<u8>) {
        let needed = record_bytes(payload.len() as u64);
        let free = LANE.capacity - self.used;
        let expected = if needed > LANE.record_max {
            Err(PushError::TooLarge { needed, limit: LANE.record_max })
        } else if needed > free {
            Err(PushError::Full { needed, free })
        } else {
            Ok(())
        };
        assert_eq!(self.producer.push(kind, &payload), expected);
        if expected.is_ok() {
            self.used += needed;
            self.pending.push((kind, payload));
        }
    }

    fn publish(&mut self) {
        let _bell = self.producer.publish();
        self.published.extend(self.pending.drain(..));
    }

    fn drain(&mut self, budget: Budget) {
        let published = &mut self.published;
        let mut bytes = 0;
        let take = |kind: u8, payload: &[u8]| {
            assert_eq!(Some((kind, payload.to_vec())), published.pop_front());
            bytes += record_bytes(payload.len() as u64);
        };
        let (drained, _) = self.consumer.drain(budget, take).unwrap();
        assert_eq!(drained.bytes, bytes);
        assert_eq!(drained.more, !self.published.is_empty());
        let in_budget = drained.records < budget.records && bytes < budget.bytes;
        assert!(!(drained.more && in_budget), "stopped early: {drained:?} of {budget:?}");
        assert!(drained.records <= budget.records);
        self.used -= bytes;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_ring_is_a_queue(
        steps in steps(),
        words in prop_oneof![0..300_u64, (1 << 29) - 200..1_u64 << 29, 1 << 60..(1_u64 << 60) + 9],
    ) {
        let (producer, consumer, _) = pair_at(words * 8);
        let (published, pending) = (VecDeque::new(), Vec::new());
        let mut ring = Checked { producer, consumer, published, pending, used: 0 };
        for step in steps {
            match step {
                Step::Push { kind, payload } => ring.push(kind, payload),
                Step::Publish => ring.publish(),
                Step::Drain(budget) => ring.drain(budget),
                Step::Free => assert_eq!(ring.producer.free(), Ok(LANE.capacity - ring.used)),
            }
        }
        ring.publish();
        ring.drain(Budget::ALL);
        prop_assert!(ring.published.is_empty());
    }
}
