//! Which cells a sequence sees, so that those that several see are counted once.
//!
//! A cell of the unified cache may belong to several sequences. Where one began to compute, a run
//! begins with an origin of its own; whoever sees the beginning of another sees its runs. A run
//! begins at one position whoever sees it, so the cells of an origin that somebody sees are as many
//! as the one that sees most of them does.

#[cfg(test)]
mod tests;

/// Who computed a run of cells; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin(pub(crate) u64);

/// Cells from one origin, by their positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    origin: Origin,
    from: u32,
    to: u32,
}

/// The cells of one sequence from position 0 on, those that are still to be computed included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cells(Vec<Run>);

impl Cells {
    /// How many.
    pub(crate) fn count(&self) -> u32 {
        self.0.last().map_or(0, |run| run.to)
    }

    /// The first `count` of them.
    pub(crate) fn first(&self, count: u32) -> Self {
        let runs = self.0.iter().filter(|run| run.from < count);
        Self(runs.map(|run| Run { to: run.to.min(count), ..*run }).collect())
    }

    /// Continues them with cells of their own up to position `to`.
    pub(crate) fn then(mut self, origin: Origin, to: u32) -> Self {
        let from = self.count();
        if from < to {
            self.0.push(Run { origin, from, to });
        }
        self
    }

    /// Takes in one cell more, behind those that the sequence computes itself.
    pub(crate) fn grow(&mut self) {
        if let Some(run) = self.0.last_mut() {
            run.to += 1;
        }
    }

    /// The position from which on nobody of `others` sees them.
    pub(crate) fn alone_from<'a>(&self, others: impl IntoIterator<Item = &'a Self>) -> u32 {
        let others: Vec<&Self> = others.into_iter().collect();
        let seen = |run: &Run| others.iter().any(|cells| cells.has(run.origin));
        let alone = self.0.iter().rev().take_while(|run| !seen(run));
        alone.last().map_or(self.count(), |run| run.from)
    }

    fn has(&self, origin: Origin) -> bool {
        self.0.iter().any(|run| run.origin == origin)
    }
}

/// How many cells there are of which somebody sees each.
pub(crate) fn distinct<'a>(all: impl IntoIterator<Item = &'a Cells>) -> u32 {
    let mut runs: Vec<Run> = all.into_iter().flat_map(|cells| cells.0.iter().copied()).collect();
    runs.sort_unstable();
    // Of one origin the longest run comes last.
    let longest = runs.chunk_by(|a, b| a.origin == b.origin).filter_map(<[Run]>::last);
    longest.map(|run| run.to - run.from).fold(0, u32::saturating_add)
}
