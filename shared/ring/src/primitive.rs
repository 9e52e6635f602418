//! The three things the protocol needs of memory, behind traits.
//!
//! The same producer and consumer run over a mapping (production), over a heap array (proptest,
//! Miri) and over loom's atomics (models). [`Fences`] is a type parameter so that a model can leave
//! one fence out and must then find the lost wake-up.

use std::sync::atomic::{Ordering, fence};

use crate::layout::Control;

/// A segment that this side can read. Every load is relaxed and at most eight bytes: nothing else
/// is defined on a read-only mapping.
pub(crate) trait Peek {
    /// A control word.
    fn control(&self, word: Control) -> u64;

    /// The data word at a byte position, taken modulo the ring.
    fn data(&self, position: u64) -> u64;

    /// Copies `out.len()` bytes, a multiple of eight, starting at a byte position.
    fn copy_out(&self, position: u64, out: &mut [u8]) {
        let mut at = position;
        for word in out.chunks_exact_mut(8) {
            word.copy_from_slice(&self.data(at).to_le_bytes());
            at += 8;
        }
    }
}

/// A segment that this side alone writes.
pub(crate) trait Poke: Peek {
    /// Relaxed store of a control word.
    fn set(&self, word: Control, value: u64);

    /// Release store of a control word: what was written before is visible to whoever sees it.
    fn release(&self, word: Control, value: u64);

    /// Relaxed store of the data word at a byte position, taken modulo the ring.
    fn put(&self, position: u64, value: u64);

    /// Copies whole words in, starting at a byte position. `bytes.len()` is a multiple of eight.
    fn copy_in(&self, position: u64, bytes: &[u8]) {
        let mut at = position;
        for word in bytes.chunks_exact(8) {
            self.put(at, word_of(word));
            at += 8;
        }
    }
}

/// Up to eight bytes as a word, filled with zeros.
pub(crate) fn word_of(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

/// The fences of the wake protocol, one method per place.
pub(crate) trait Fences {
    /// Between storing a position and looking whether the peer sleeps on it.
    fn after_publish();

    /// Between announcing the sleep and looking once more.
    fn after_arm();

    /// Between seeing a position and reading what it covers.
    fn after_observe();
}

/// The fences of the machine.
#[derive(Debug)]
pub(crate) struct Hardware;

impl Fences for Hardware {
    fn after_publish() {
        fence(Ordering::SeqCst);
    }

    fn after_arm() {
        fence(Ordering::SeqCst);
    }

    fn after_observe() {
        fence(Ordering::Acquire);
    }
}

/// A wake word that no position ever passes: nobody sleeps.
pub(crate) const AWAKE: u64 = u64::MAX;

/// Whether a position moving from `old` to `new` passes a sleeper at `wake_at`.
///
/// True at most once per armed position, which is what bounds the bells by the parks.
pub(crate) const fn passes(old: u64, wake_at: u64, new: u64) -> bool {
    wake_at.wrapping_sub(old) < new.wrapping_sub(old)
}

/// What the caller owes the peer after a position moved.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bell {
    /// The peer sleeps on it: ring.
    Due,
    /// The peer is awake.
    Quiet,
}

/// Moves a position and says whether the peer must be woken: the producer's half for data, the
/// consumer's half for space.
pub(crate) fn advance<F: Fences>(
    own: &impl Poke,
    peer: &impl Peek,
    mark: (Control, Control),
    span: (u64, u64),
) -> Bell {
    let (position, wake) = mark;
    let (old, new) = span;
    own.release(position, new);
    F::after_publish();
    if passes(old, peer.control(wake), new) { Bell::Due } else { Bell::Quiet }
}
