//! The longest beginning that a job may start from.

use core_wire::ids::DomainId;

use super::{Ask, Cache, Entry, Live};
use crate::context::{cells::Cells, pool::Sharing, tokens::common};

/// How a job gets the beginning that it starts from; of beginnings of one length the last is best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// It sees cells that stay kept.
    Copy,
    /// It sees cells of one that runs.
    Live,
    /// It goes on with what was kept, which is kept no more.
    Take,
}

/// A beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The sequence id of whoever has it.
    pub(crate) slot: i32,
    /// How the job gets it.
    pub(crate) way: Way,
    /// The cells that they have in common; at least one, and fewer than the job has tokens.
    pub(crate) cells: Cells,
}

impl Cache {
    /// The longest beginning of `ask` that it may have.
    pub(super) fn source(&self, ask: &Ask<'_>, live: &[Live<'_>]) -> Option<Source> {
        let paused = self.kept.iter().find_map(|entry| self.paused(entry, ask));
        if paused.is_some() {
            return paused;
        }
        let kept = self.kept.iter().filter_map(|entry| self.kept_for(entry, ask));
        let live = live.iter().filter_map(|live| self.live_for(live, ask));
        kept.chain(live).max_by_key(|source| (source.cells.count(), source.way))
    }

    /// Drops what the job that `ask` names left, where `ask` does not go on behind it: whoever
    /// brings no token more is not that job continued.
    pub(super) fn drop_misnamed(&mut self, ask: &Ask<'_>) {
        let named = |entry: &Entry| ask.named.is_some() && entry.job == ask.named;
        if let Some(at) = self.kept.iter().position(|e| named(e) && self.paused(e, ask).is_none()) {
            self.drop_at(at);
        }
    }

    /// What pauses, for the one that continues it. Both are of one request, and so of one domain.
    fn paused(&self, entry: &Entry, ask: &Ask<'_>) -> Option<Source> {
        let named = ask.named.is_some() && entry.job == ask.named && entry.domain == ask.domain;
        let whole = beginning(&entry.tokens, ask) == entry.cells.count();
        let source =
            || Source { slot: entry.slot.id(), way: Way::Take, cells: entry.cells.clone() };
        (named && whole).then(source)
    }

    fn kept_for(&self, entry: &Entry, ask: &Ask<'_>) -> Option<Source> {
        if !readable(entry.domain, ask.domain) {
            return None;
        }
        let same = beginning(&entry.tokens, ask);
        let length = entry.cells.count();
        // What pauses is for another, and what is published for all.
        let free = entry.job.is_none() && entry.domain != Some(DomainId::PUBLIC);
        let way = match self.limits.sharing {
            Sharing::Whole if !free || same < length => return None,
            // Behind a short beginning in common stands another talk, which may go on as well.
            Sharing::Parts if !free || same < length - same => Way::Copy,
            Sharing::Whole | Sharing::Parts => Way::Take,
        };
        (same > 0).then(|| Source { slot: entry.slot.id(), way, cells: entry.cells.first(same) })
    }

    fn live_for(&self, live: &Live<'_>, ask: &Ask<'_>) -> Option<Source> {
        let named = ask.named == Some(live.job) && live.domain == ask.domain;
        if self.limits.sharing == Sharing::Whole || !(named || readable(live.domain, ask.domain)) {
            return None;
        }
        let same = beginning(live.tokens, ask);
        let source = || Source { slot: live.slot, way: Way::Live, cells: live.cells.first(same) };
        (same > 0).then(source)
    }
}

/// Whether a job of the domain `by` may see cells of the domain `of`.
fn readable(of: Option<DomainId>, by: Option<DomainId>) -> bool {
    match (of, by) {
        (Some(of), Some(by)) => of == by || of == DomainId::PUBLIC,
        (None, _) | (_, None) => false,
    }
}

/// How many tokens `ask` begins with that are `tokens`; one at least is left to compute, since only
/// a computed token has logits.
fn beginning(tokens: &[llama_cpp_2::token::LlamaToken], ask: &Ask<'_>) -> u32 {
    let all_but_last = ask.tokens.split_last().map_or(&[][..], |(_, rest)| rest);
    common(tokens, all_but_last)
}
