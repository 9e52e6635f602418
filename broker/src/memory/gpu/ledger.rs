//! What workers were granted of each GPU: a grant refunds itself when it is dropped.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

/// A point in the order of reports and grants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

/// All grants. Copies share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    books: Rc<RefCell<Books>>,
}

#[derive(Debug, Default)]
struct Books {
    now: Moment,
    next: u64,
    grants: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// Bytes on each device, by its place in the engine's order.
    bytes: Vec<u64>,
    /// When its worker had taken them, so that later reports of free memory are without them.
    settled: Option<Moment>,
}

/// What one worker was granted; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Grant {
    id: u64,
    books: Rc<RefCell<Books>>,
}

impl Ledger {
    /// Now: to be asked for before an inspector is started, because its report is at least as new.
    pub(crate) fn moment(&self) -> Moment {
        let mut books = self.books.borrow_mut();
        books.now.0 += 1;
        books.now
    }

    /// Notes bytes for each device.
    pub(super) fn grant(&self, bytes: Vec<u64>) -> Grant {
        let mut books = self.books.borrow_mut();
        let id = books.next;
        books.next += 1;
        books.grants.insert(id, Entry { bytes, settled: None });
        Grant { id, books: self.books.clone() }
    }

    /// Bytes of a device that are granted.
    pub(crate) fn granted(&self, device: usize) -> u64 {
        self.sum(device, |_| true)
    }

    /// Bytes of a device that are granted and were perhaps not taken when a report was made.
    pub(super) fn unseen(&self, device: usize, since: Moment) -> u64 {
        self.sum(device, |entry| entry.settled.is_none_or(|settled| settled >= since))
    }

    fn sum(&self, device: usize, counts: impl Fn(&Entry) -> bool) -> u64 {
        let books = self.books.borrow();
        let counted = books.grants.values().filter(|entry| counts(entry));
        let bytes = counted.filter_map(|entry| entry.bytes.get(device).copied());
        bytes.fold(0, u64::saturating_add)
    }
}

impl Grant {
    /// Notes that the worker has taken all of it: it is ready.
    pub(crate) fn settle(&self) {
        let mut books = self.books.borrow_mut();
        let now = books.now;
        if let Some(entry) = books.grants.get_mut(&self.id) {
            entry.settled.get_or_insert(now);
        }
    }

    #[cfg(test)]
    /// Bytes on each device, by its place in the engine's order.
    pub(crate) fn bytes(&self) -> Vec<u64> {
        let books = self.books.borrow();
        books.grants.get(&self.id).map_or_else(Vec::new, |entry| entry.bytes.clone())
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.books.borrow_mut().grants.remove(&self.id);
    }
}
