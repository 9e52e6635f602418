//! What has ended and was not read to its end yet, when the broker ends.
//!
//! A request that has ended is nothing to the scheduler, whether its client has read all of it or
//! not. So a drain that the scheduler takes for done may leave a rest in journals: the broker waits
//! for its readers as long as the drain may take, and then tells them that it does not come.

use core_wire::code::{Code, Refusal};

use super::Kept;
use crate::runtime::{Core, Ending, journal::Journal};

/// When to try again: a restart takes about as long.
const RETRY_MS: u32 = 5_000;

impl Kept {
    /// Remembers a journal, and forgets those that nobody needs any more.
    pub(super) fn note(&mut self, journal: &Journal) {
        self.journals.retain(|faint| faint.journal().is_some());
        self.journals.push(journal.faint());
    }

    fn behind(&self) -> impl Iterator<Item = Journal> {
        let journals = self.journals.iter().filter_map(|faint| faint.journal());
        journals.filter(Journal::is_behind)
    }
}

impl Core {
    /// Ends the broker, if that was asked for, once nothing is open and all was told.
    pub(in crate::runtime) fn end_once_told(&mut self) {
        let over = self.ending != Ending::No && self.scheduler.is_drained();
        if over && self.kept.behind().next().is_none() {
            self.ending = Ending::Now;
            self.retime.notify_one();
        }
    }

    /// The time to drain is over: whoever has not read all by now hears so.
    pub(in crate::runtime) fn cut_off_readers(&mut self) {
        let behind: Vec<_> = self.kept.behind().collect();
        for journal in behind {
            journal.cut_off(ends());
        }
        self.end_once_told();
    }
}

fn ends() -> Refusal {
    let message = "the broker ends before all of this was read: ask again once it was started anew";
    Refusal::new(Code::Draining, message).after(RETRY_MS)
}
