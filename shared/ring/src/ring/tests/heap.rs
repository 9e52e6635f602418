//! A segment on the heap: the same protocol without a mapping, so that Miri could run it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::layout::{Control, Lane};
use crate::primitive::{Hardware, Peek, Poke};
use crate::ring::{Consumer, Producer};

/// A small ring, so that every test goes round it.
pub(super) const LANE: Lane = Lane { capacity: 1024, record_max: 128, kind_max: 9 };

#[derive(Clone, Debug)]
pub(super) struct Heap(Arc<[AtomicU64]>);

pub(super) type Writer = Producer<Heap, Heap, Hardware>;
pub(super) type Reader = Consumer<Heap, Heap, Hardware>;

/// Both segments, for a test that plays a lying peer.
pub(super) struct Segments {
    pub(super) producers: Heap,
    pub(super) consumers: Heap,
}

pub(super) fn pair() -> (Writer, Reader, Segments) {
    pair_at(0)
}

/// A pair whose positions start somewhere else.
pub(super) fn pair_at(position: u64) -> (Writer, Reader, Segments) {
    let producers = Heap::new(LANE.capacity);
    let consumers = Heap::new(0);
    let mut producer = Producer::new(producers.clone(), consumers.clone(), LANE);
    let mut consumer = Consumer::new(consumers.clone(), producers.clone(), LANE);
    producers.set(Control::Tail, position);
    consumers.set(Control::Head, position);
    producer.start_at(position);
    consumer.start_at(position);
    (producer, consumer, Segments { producers, consumers })
}

impl Heap {
    pub(super) fn new(data_bytes: u64) -> Self {
        let words = Control::COUNT as u64 + data_bytes / 8;
        Self((0..words).map(|_| AtomicU64::new(0)).collect())
    }

    fn data_cell(&self, position: u64) -> &AtomicU64 {
        let words = (self.0.len() - Control::COUNT) as u64;
        let index = position / 8 % words;
        &self.0[Control::COUNT + usize::try_from(index).unwrap()]
    }
}

impl Peek for Heap {
    fn control(&self, word: Control) -> u64 {
        self.0[word as usize].load(Ordering::Relaxed)
    }

    fn data(&self, position: u64) -> u64 {
        self.data_cell(position).load(Ordering::Relaxed)
    }
}

impl Poke for Heap {
    fn set(&self, word: Control, value: u64) {
        self.0[word as usize].store(value, Ordering::Relaxed);
    }

    fn release(&self, word: Control, value: u64) {
        self.0[word as usize].store(value, Ordering::Release);
    }

    fn put(&self, position: u64, value: u64) {
        self.data_cell(position).store(value, Ordering::Relaxed);
    }
}
