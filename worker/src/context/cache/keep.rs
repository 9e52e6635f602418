//! What is kept, for how long, and who goes first.

use core_wire::ids::DomainId;

use super::{Act, Cache, Entry, Live, PUBLISHED_MAX, running};
use crate::context::{
    cells::{Cells, distinct},
    pool::{Sharing, Slot},
    tokens::common,
};

impl Cache {
    /// Keeps `entry`, which no longer is one of `live`; answers how many of its cells are kept.
    ///
    /// What is longer than all that may be kept is cut, where it can be.
    pub(crate) fn keep(&mut self, entry: Entry, live: &[Live<'_>]) -> u32 {
        let count = entry.cells.count().min(self.limits.idle);
        let slot = self.add(entry);
        self.trim(live);
        let kept = slot.is_some_and(|slot| self.position(slot).is_some());
        if kept { count } else { 0 }
    }

    /// Adds `entry` and drops what it replaces; answers the slot of what serves in its place.
    fn add(&mut self, mut entry: Entry) -> Option<i32> {
        let idle = self.limits.idle;
        let unseen = entry.domain.is_none() && entry.job.is_none();
        let cuts = self.limits.sharing == Sharing::Parts;
        if unseen || entry.cells.count().min(idle) == 0 || (!cuts && entry.cells.count() > idle) {
            self.release(entry.slot);
            return None;
        }
        if entry.cells.count() > idle {
            entry.cells = entry.cells.first(idle);
            entry.tokens.cut(idle);
            self.acts.push(Act::Cut { slot: entry.slot.id(), from: idle });
        }
        if cuts && let Some(longer) = self.longer(&entry) {
            self.touch(longer);
            self.release(entry.slot);
            return Some(longer);
        }
        if cuts {
            self.drop_all(|kept| replaces(&entry, kept));
        }
        let slot = entry.slot.id();
        self.kept.push_back(entry);
        self.bound_published();
        Some(slot)
    }

    /// Drops what is more than may lie there without anybody who runs; for when one has ended.
    pub(crate) fn trim(&mut self, live: &[Live<'_>]) {
        while self.idle(live) > self.limits.idle && self.evict(None) {}
    }

    /// Takes a place back of which nothing is kept.
    pub(crate) fn release(&mut self, slot: Slot) {
        self.acts.push(Act::Cut { slot: slot.id(), from: 0 });
        self.pool.give(slot);
    }

    /// Drops the entry that is worth least; answers whether there was one.
    pub(crate) fn drop_one(&mut self) -> bool {
        self.evict(None)
    }

    /// Drops all of a domain.
    pub(crate) fn forget(&mut self, domain: DomainId) {
        self.drop_all(|entry| entry.domain == Some(domain));
    }

    /// Gives up on those that pause: nobody has continued them for long. What belongs to a domain
    /// stays for it.
    pub(crate) fn settle(&mut self) {
        self.drop_all(|entry| entry.domain.is_none());
        self.kept.iter_mut().for_each(|entry| entry.job = None);
    }

    /// What `domain` used last.
    pub(crate) fn last(&self, domain: DomainId) -> Option<&Entry> {
        self.kept.iter().rfind(|entry| entry.domain == Some(domain))
    }

    /// A place and cells for `count` tokens that come from elsewhere and are to be kept; `None`
    /// where they do not fit, whatever gives way.
    pub(crate) fn room(&mut self, count: u32, live: &[Live<'_>]) -> Option<(Slot, Cells)> {
        let over = |all: u32, most: u32| all.saturating_add(count) > most;
        let (n_ctx, idle) = (self.limits.n_ctx, self.limits.idle);
        if over(distinct(running(live)), n_ctx) || over(0, idle) {
            return None;
        }
        while over(self.cells(live), n_ctx) || over(self.idle(live), idle) {
            if !self.evict(None) {
                return None;
            }
        }
        let slot = self.place(None)?;
        let origin = self.origin();
        Some((slot, Cells::default().then(origin, count)))
    }

    /// Drops the entry used longest ago, published ones behind all others, never the one in the
    /// slot that is `spared`; answers whether there was one.
    pub(super) fn evict(&mut self, spared: Option<i32>) -> bool {
        let may = |entry: &Entry| Some(entry.slot.id()) != spared;
        let private = |entry: &Entry| entry.domain != Some(DomainId::PUBLIC);
        let victim = self.kept.iter().position(|entry| may(entry) && private(entry));
        let Some(at) = victim.or_else(|| self.kept.iter().position(may)) else {
            return false;
        };
        self.drop_at(at);
        true
    }

    pub(super) fn drop_at(&mut self, at: usize) {
        if let Some(entry) = self.kept.remove(at) {
            self.release(entry.slot);
        }
    }

    fn drop_all(&mut self, goes: impl Fn(&Entry) -> bool) {
        while let Some(at) = self.kept.iter().position(&goes) {
            self.drop_at(at);
        }
    }

    /// Cells that nobody who runs sees.
    pub(super) fn idle(&self, live: &[Live<'_>]) -> u32 {
        self.cells(live) - distinct(running(live))
    }

    /// The slot of what serves everybody whom `entry` would.
    fn longer(&self, entry: &Entry) -> Option<i32> {
        let found = self.kept.iter().find(|kept| replaces(kept, entry));
        found.map(|kept| kept.slot.id())
    }

    fn bound_published(&mut self) {
        let published = |entry: &Entry| entry.domain == Some(DomainId::PUBLIC);
        while self.kept.iter().filter(|entry| published(entry)).count() > PUBLISHED_MAX {
            let Some(at) = self.kept.iter().position(published) else {
                return;
            };
            self.drop_at(at);
        }
    }
}

/// Whether `other` is of no use beside `entry`: a beginning of it, for the same domain.
fn replaces(entry: &Entry, other: &Entry) -> bool {
    let free = |entry: &Entry| entry.job.is_none() && entry.domain.is_some();
    free(entry)
        && free(other)
        && entry.domain == other.domain
        && common(&entry.tokens, &other.tokens) == other.cells.count()
}
