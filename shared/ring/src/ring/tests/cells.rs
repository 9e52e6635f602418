//! What the models run on: loom's cells, fences that can be left out, and a futex.

use loom::sync::atomic::{AtomicU64, Ordering, fence};
use loom::sync::{Arc, Condvar, Mutex};

use crate::layout::{Control, Lane};
use crate::primitive::{Fences, Peek, Poke};

/// Loom's fences; each can be left out.
pub(super) struct Loom<const PUBLISH: bool, const ARM: bool, const OBSERVE: bool>;

pub(super) type Complete = Loom<true, true, true>;
pub(super) type WithoutPublish = Loom<false, true, true>;
pub(super) type WithoutArm = Loom<true, false, true>;
pub(super) type WithoutObserve = Loom<true, true, false>;

impl<const PUBLISH: bool, const ARM: bool, const OBSERVE: bool> Fences
    for Loom<PUBLISH, ARM, OBSERVE>
{
    fn after_publish() {
        if PUBLISH {
            fence(Ordering::SeqCst);
        }
    }

    fn after_arm() {
        if ARM {
            fence(Ordering::SeqCst);
        }
    }

    fn after_observe() {
        if OBSERVE {
            fence(Ordering::Acquire);
        }
    }
}

#[derive(Clone)]
pub(super) struct Cells(Arc<[Vec<AtomicU64>; 2]>);

impl Cells {
    pub(super) fn new(lane: Lane) -> Self {
        let cells = |count| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new([cells(Control::COUNT as u64), cells(lane.capacity / 8)]))
    }

    fn cell(&self, position: u64) -> &AtomicU64 {
        let [_, data] = &*self.0;
        &data[usize::try_from(position / 8).unwrap() % data.len()]
    }
}

impl Peek for Cells {
    fn control(&self, word: Control) -> u64 {
        self.0[0][word as usize].load(Ordering::Relaxed)
    }

    fn data(&self, position: u64) -> u64 {
        self.cell(position).load(Ordering::Relaxed)
    }
}

impl Poke for Cells {
    fn set(&self, word: Control, value: u64) {
        self.0[0][word as usize].store(value, Ordering::Relaxed);
    }

    fn release(&self, word: Control, value: u64) {
        self.0[0][word as usize].store(value, Ordering::Release);
    }

    fn put(&self, position: u64, value: u64) {
        self.cell(position).store(value, Ordering::Relaxed);
    }
}

/// What futex(2) does: compares and sleeps in one step, under the kernel's lock.
pub(super) struct Futex {
    value: AtomicU64,
    rung: Mutex<u32>,
    wake: Condvar,
}

impl Futex {
    pub(super) fn new() -> Arc<Self> {
        let (value, rung, wake) = (AtomicU64::new(0), Mutex::new(0), Condvar::new());
        Arc::new(Self { value, rung, wake })
    }

    pub(super) fn ring(&self) {
        self.value.fetch_add(1, Ordering::Relaxed);
        *self.rung.lock().unwrap() += 1;
        self.wake.notify_all();
    }

    pub(super) fn value(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }

    pub(super) fn wait(&self, seen: u64) {
        let guard = self.rung.lock().unwrap();
        if self.value.load(Ordering::Relaxed) == seen {
            drop(self.wake.wait(guard).unwrap());
        }
    }

    pub(super) fn rung(&self) -> u32 {
        *self.rung.lock().unwrap()
    }
}
