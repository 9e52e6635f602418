//! Who is suspected, and what becomes of the memory of lost workers, in a history.

use std::collections::BTreeSet;

use super::world::{Open, World};
use crate::scheduler::{LineId, Loss, Ticket};

/// Deaths that somebody was there for.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    /// In a row without a token.
    count: u32,
    /// Tokens at the last of them.
    emitted: u32,
    all: u32,
}

/// What becomes of the memory of lost workers.
#[derive(Default)]
pub(super) struct Rescue {
    /// The line whose worker was lost in this step, until that is clear.
    pub(super) leaving: Option<LineId>,
    /// Lines that hold memory for a worker that comes in the place of a lost one.
    pub(super) reserved: BTreeSet<LineId>,
}

impl Open {
    /// A worker that ran it is lost; `sole` tells whether that ever ran anything else.
    pub(super) fn was_there(&mut self, loss: Loss, sole: bool) {
        let Deaths { count, all, .. } = self.deaths;
        let count = if self.emitted > self.deaths.emitted { 0 } else { count };
        self.deaths = match loss {
            Loss::Suspect => {
                let most = if sole { 3 } else { 2 };
                Deaths { count: most.min(count + 1), emitted: self.emitted, all: all + 1 }
            }
            Loss::Innocent | Loss::Final => Deaths { count, all, ..self.deaths },
        };
    }

    /// Whether it has to have a worker alone.
    pub(super) fn is_suspect(&self) -> bool {
        let Deaths { count, emitted, all } = self.deaths;
        count >= 2 && self.emitted <= emitted || all >= 8
    }

    /// Whether it was not there too often.
    pub(super) fn may_go_on(&self) -> bool {
        self.deaths.count < 3
    }
}

impl World {
    /// Whether a request is, or has to make room for, a suspect.
    pub(super) fn is_heard(&self, ticket: Ticket) -> bool {
        let Some(open) = self.open.get(&ticket) else {
            return false;
        };
        let line = open.task.line();
        let mut waiting = self.open.values().filter(|other| other.job.is_none());
        open.is_suspect() || waiting.any(|other| other.is_suspect() && other.task.line() == line)
    }

    /// The worker of a line does not come.
    pub(super) fn gives_up(&mut self, line: &LineId) {
        if self.rescue.reserved.remove(line) {
            self.held.remove(line);
        }
    }

    /// Another worker comes for a line: if it lost one in this step, for that it keeps what the
    /// lost one had.
    pub(super) fn comes_back(&mut self, line: &LineId) {
        if self.rescue.leaving.take_if(|leaving| leaving == line).is_some()
            && self.held.contains_key(line)
        {
            self.rescue.reserved.insert(line.clone());
        }
    }

    /// By now it is clear what becomes of the memory of a lost worker.
    pub(super) fn is_clear(&mut self) {
        if let Some(line) = self.rescue.leaving.take() {
            self.rescue.reserved.remove(&line);
            self.held.remove(&line);
        }
    }
}
