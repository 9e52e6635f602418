//! Who is suspected, in a history.

use super::world::{Open, World};
use crate::scheduler::{Loss, Ticket};

/// Deaths that somebody was there for.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    /// In a row without a token.
    count: u32,
    /// Tokens at the last of them.
    emitted: u32,
    all: u32,
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
}
