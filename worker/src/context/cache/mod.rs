//! What stays of sequences that ended or pause, and who may start from it.
//!
//! A session's cells serve its own domain alone (decision D11), published ones every domain, and
//! those of a job that pauses the job that continues it. Whoever runs comes first: what is kept is
//! dropped as soon as cells or sequence ids are wanted, the one used longest ago first, and what is
//! published last.
//!
//! Nothing here touches the engine: what it has to do is a list of [`Act`]s, to be done in order
//! before anything else is computed.

mod find;
mod keep;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use core_wire::ids::{DomainId, JobId};
use llama_cpp_2::token::LlamaToken;

pub(crate) use self::find::{Source, Way};
use super::{
    cells::{Cells, Origin, distinct},
    pool::{Pool, Sharing, Slot},
    tokens::Tokens,
};

/// Published prefixes of one worker at most; each holds a sequence id and is looked at for each
/// request.
pub(crate) const PUBLISHED_MAX: usize = 16;

/// What the cache has room for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Cells in all.
    pub(crate) n_ctx: u32,
    /// Cells that nobody who runs may see.
    pub(crate) idle: u32,
    /// Sequence ids.
    pub(crate) sequences: u32,
    /// What of a sequence another may see.
    pub(crate) sharing: Sharing,
}

/// What the engine has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Forget the cells of a sequence from a position on.
    Cut {
        /// The sequence.
        slot: i32,
        /// The position.
        from: u32,
    },
    /// Let a sequence see the first cells of another; nothing is copied.
    Share {
        /// Whose.
        from: i32,
        /// Who sees them.
        to: i32,
        /// How many.
        count: u32,
    },
}

/// A sequence that nobody continues.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The job that pauses here; `None` for what is free to be taken.
    pub(crate) job: Option<JobId>,
    /// Whose it is.
    pub(crate) domain: Option<DomainId>,
    /// Its tokens, all of them in the KV cache.
    pub(crate) tokens: Tokens,
    /// Its place.
    pub(crate) slot: Slot,
    /// Its cells, one for each token.
    pub(crate) cells: Cells,
}

/// A sequence that runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Live<'a> {
    /// Its job.
    pub(crate) job: JobId,
    /// Whose it is.
    pub(crate) domain: Option<DomainId>,
    /// Its sequence id.
    pub(crate) slot: i32,
    /// Its tokens that are in the KV cache.
    pub(crate) tokens: &'a [LlamaToken],
    /// Its cells, those of its prompt that are still to come included.
    pub(crate) cells: &'a Cells,
}

/// Who wants to start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    /// Whose it is.
    pub(crate) domain: Option<DomainId>,
    /// A job of the same request, whose cells it may have where no domain is named as well.
    pub(crate) named: Option<JobId>,
    /// Its tokens; at least one.
    pub(crate) tokens: &'a [LlamaToken],
}

/// Where a sequence starts.
#[derive(Debug)]
pub(crate) struct Begun {
    /// Its place.
    pub(crate) slot: Slot,
    /// Its cells, one for each of its tokens.
    pub(crate) cells: Cells,
    /// How many of them are computed.
    pub(crate) cached: u32,
}

/// All that is kept, the one used last behind the others, and the places in the cache.
#[derive(Debug)]
pub(crate) struct Cache {
    limits: Limits,
    pool: Pool,
    kept: VecDeque<Entry>,
    origins: u64,
    acts: Vec<Act>,
}

impl Cache {
    /// An empty cache.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            pool: Pool::new(limits.sequences),
            kept: VecDeque::new(),
            origins: 0,
            acts: Vec::new(),
        }
    }

    /// What the engine has to do now.
    pub(crate) fn acts(&mut self) -> Vec<Act> {
        std::mem::take(&mut self.acts)
    }

    /// Whether `ask` can start beside `live` with `headroom` cells left, if all that is kept gives
    /// way but what it starts from.
    pub(crate) fn fits(&self, ask: &Ask<'_>, headroom: u32, live: &[Live<'_>]) -> bool {
        let shared = self.source(ask, live).map_or(Cells::default(), |source| source.cells);
        // Its own cells have an origin that nobody has.
        let cells = shared.then(Origin(u64::MAX), count(ask.tokens));
        let all = distinct(running(live).chain([&cells]));
        all.saturating_add(headroom) <= self.limits.n_ctx
    }

    /// A place for `ask`, with the longest beginning of it that it may have; `None` where more run
    /// than there are sequence ids.
    pub(crate) fn begin(&mut self, ask: &Ask<'_>, live: &[Live<'_>]) -> Option<Begun> {
        self.drop_misnamed(ask);
        let source = self.source(ask, live);
        let cached = source.as_ref().map_or(0, |source| source.cells.count());
        let (slot, cells) = match source {
            None => (self.place(None)?, Cells::default()),
            Some(source) => self.start_from(source, live)?,
        };
        let origin = self.origin();
        Some(Begun { slot, cells: cells.then(origin, count(ask.tokens)), cached })
    }

    /// Cells that anybody sees.
    pub(crate) fn cells(&self, live: &[Live<'_>]) -> u32 {
        distinct(running(live).chain(self.kept.iter().map(|entry| &entry.cells)))
    }

    /// Whether no more cells can be seen than there are, even if nobody saw those of another.
    pub(crate) fn is_roomy(&self, live: &[Live<'_>]) -> bool {
        let all = running(live).chain(self.kept.iter().map(|entry| &entry.cells));
        all.map(Cells::count).fold(0, u32::saturating_add) <= self.limits.n_ctx
    }

    /// Whether nothing is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The place of `source`, or one that sees the same.
    fn start_from(&mut self, source: Source, live: &[Live<'_>]) -> Option<(Slot, Cells)> {
        let Source { slot: from, way, cells } = source;
        let spared = (way != Way::Live).then_some(from);
        if way != Way::Take
            && let Some(slot) = self.place(spared)
        {
            self.acts.push(Act::Share { from, to: slot.id(), count: cells.count() });
            self.touch(from);
            return Some((slot, cells));
        }
        // There is no other id than that of the entry itself.
        let entry = self.kept.remove(self.position(from)?)?;
        if cells.count() < entry.cells.count() {
            self.acts.push(Act::Cut { slot: from, from: cells.count() });
        }
        let others = self.kept.iter().map(|entry| &entry.cells).chain(running(live));
        let alone = cells.alone_from(others);
        Some((entry.slot, cells.first(alone)))
    }

    /// A sequence id that nobody has; what is kept gives one back where there is none, but not the
    /// one that is `spared`.
    fn place(&mut self, spared: Option<i32>) -> Option<Slot> {
        // Ends: each round takes one of the entries away.
        loop {
            if let Some(slot) = self.pool.take() {
                return Some(slot);
            }
            if !self.evict(spared) {
                return None;
            }
        }
    }

    fn origin(&mut self) -> Origin {
        self.origins += 1;
        Origin(self.origins)
    }

    /// Notes that the entry in `slot` was of use.
    fn touch(&mut self, slot: i32) {
        let entry = self.position(slot).and_then(|at| self.kept.remove(at));
        self.kept.extend(entry);
    }

    fn position(&self, slot: i32) -> Option<usize> {
        self.kept.iter().position(|entry| entry.slot.id() == slot)
    }
}

/// The cells of those who run.
fn running<'a>(live: &'a [Live<'_>]) -> impl Iterator<Item = &'a Cells> {
    live.iter().map(|live| live.cells)
}

fn count(tokens: &[LlamaToken]) -> u32 {
    u32::try_from(tokens.len()).unwrap_or(u32::MAX)
}
