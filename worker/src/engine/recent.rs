//! The last few things that were dear to make, so that they are not made again.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

/// How many are kept. As many programs as use one model at a time, seldom more; each may be as
/// large as one request can make it, so a greater number would be a worker's memory.
const KEPT_MAX: usize = 4;

/// What was made from which key, the one used last behind the others.
pub(crate) struct Recent<K, V>(VecDeque<(K, V)>);

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(VecDeque::with_capacity(KEPT_MAX))
    }
}

impl<K: PartialEq, V> Recent<K, V> {
    /// Whether what `key` makes is here.
    pub(crate) fn has(&self, key: &K) -> bool {
        self.0.iter().any(|(known, _)| known == key)
    }

    /// What `key` makes, if it is here; it then counts as used.
    pub(crate) fn find(&mut self, key: &K) -> Option<&V> {
        let at = self.0.iter().position(|(known, _)| known == key)?;
        let found = self.0.remove(at)?;
        self.0.push_back(found);
        self.0.back().map(|(_, value)| value)
    }

    /// Adds one that is not here; the one whose last use is longest ago makes room.
    pub(crate) fn add(&mut self, key: K, value: V) {
        if self.0.len() >= KEPT_MAX {
            self.0.pop_front();
        }
        self.0.push_back((key, value));
    }

    /// Drops all.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
