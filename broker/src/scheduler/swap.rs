//! One model, another file, and nobody who notices.
//!
//! The new file is a line of its own. Its worker is loaded beside the old one, which goes on
//! serving all the while; once it is ready what waits moves to it, and what has got tokens ends
//! where they came from. Only where the two do not fit beside each other the old worker has to go
//! first: it gets nothing new, has some time to finish, then gives up what can continue on the new
//! file, and ends. A new file that cannot be loaded after that brings the old one back.

mod clear;

use std::collections::BTreeSet;

use core_wire::{code::Refusal, ids::ModelId};

use super::{
    Bound, Effect, End, LineId, Request, State, Task, Ticket, batch::Station, queue::Line,
};

/// How a swap of its file stands to a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Turnover {
    /// There is none.
    #[default]
    Settled,
    /// Its file is to be swapped; until then it serves.
    Kept,
    /// Its file is to be swapped; whoever comes waits for that.
    Held,
    /// Its file was swapped: it serves what it has, and then ends.
    Retired,
}

/// A swap that has not come to its end.
#[derive(Debug)]
pub(super) struct Swap {
    from: LineId,
    pub(super) to: LineId,
    /// Who asked for it, as long as that request is open. The swap goes on without it.
    ticket: Option<Ticket>,
    /// Ask that the model is unloaded, and wait for what it is then.
    unloads: BTreeSet<Ticket>,
    /// Digest of the new file's vocabulary, 0 while it is not known.
    vocabulary: u64,
    /// Whether the old worker was asked to end.
    displaced: bool,
    phase: Phase,
}

/// What a swap waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The new worker.
    Loading,
    /// That the old worker runs nothing.
    Clearing {
        /// What the new one takes.
        bytes: u64,
        /// When what still runs is asked to give way; `None` once it was, or where it cannot be.
        parks_at_ms: Option<u64>,
    },
}

impl State {
    /// Whether a line is to take the place of another.
    pub(crate) fn is_coming(&self, line: &LineId) -> bool {
        self.swaps.get(&line.model).is_some_and(|swap| swap.to == *line)
    }

    /// Whether anything of a line is left: its worker, or somebody who waits for one.
    pub(crate) fn has_line(&self, line: &LineId) -> bool {
        self.lines.contains_key(line)
    }

    /// Everybody who waits for a line's worker.
    pub(crate) fn awaiting(&self, line: &LineId) -> Vec<Ticket> {
        let waiters = |id: &LineId| self.lines.get(id).into_iter().flat_map(Line::waiters);
        let mut all: Vec<_> = waiters(line).collect();
        if let Some(swap) = self.swaps.get(&line.model).filter(|swap| swap.to == *line) {
            all.extend(swap.ticket);
            let held = self.lines.get(&swap.from).map(|line| line.turnover);
            if held == Some(Turnover::Held) {
                all.extend(waiters(&swap.from));
            }
        }
        all
    }

    pub(super) fn begin_swap(
        &mut self,
        ticket: Ticket,
        from: LineId,
        to: LineId,
        out: &mut Vec<Effect>,
    ) {
        let line = self.lines.entry(from.clone()).or_default();
        line.turnover = match line.station {
            // Nobody loads the old file for those who come meanwhile.
            Station::Absent => Turnover::Held,
            Station::Loading
            | Station::Serving(_)
            | Station::Finishing(_)
            | Station::Stopping(_) => Turnover::Kept,
        };
        if line.turnover == Turnover::Held {
            self.memory.release(&from);
        }
        self.lines.entry(to.clone()).or_default().station = Station::Loading;
        let model = from.model.clone();
        let swap = Swap {
            from,
            to: to.clone(),
            ticket: Some(ticket),
            unloads: BTreeSet::new(),
            vocabulary: 0,
            displaced: false,
            phase: Phase::Loading,
        };
        self.swaps.insert(model, swap);
        out.push(Effect::Load(to));
    }

    /// Whether a request to unload a model waits for the end of a swap first.
    pub(super) fn waits_for_swap(&mut self, line: &LineId, ticket: Ticket) -> bool {
        let swap = self.swaps.get_mut(&line.model);
        swap.is_some_and(|swap| swap.unloads.insert(ticket))
    }

    /// A request of a swap has ended; the swap goes on.
    pub(super) fn leave_swap(&mut self, model: &ModelId, ticket: Ticket) {
        if let Some(swap) = self.swaps.get_mut(model) {
            swap.unloads.remove(&ticket);
            swap.ticket = swap.ticket.filter(|&asked| asked != ticket);
        }
    }

    pub(super) fn note_vocabulary(&mut self, line: &LineId, vocabulary: u64) {
        if let Some(swap) = self.swaps.get_mut(&line.model).filter(|swap| swap.to == *line) {
            swap.vocabulary = vocabulary;
        }
    }

    /// The worker of a line is ready: if it was to take the place of another, it does.
    pub(super) fn complete_swap(&mut self, to: &LineId, out: &mut Vec<Effect>) {
        if !self.is_coming(to) {
            return;
        }
        let Some(swap) = self.swaps.remove(&to.model) else {
            return;
        };
        let from = swap.from;
        out.push(Effect::Swapped { from: from.clone(), to: to.clone() });
        if let Some(ticket) = swap.ticket {
            self.conclude(ticket, End::Placed, out);
        }
        let mut new = self.lines.get_mut(to).map(std::mem::take).unwrap_or_default();
        let mut old = self.lines.get_mut(&from).map(std::mem::take).unwrap_or_default();
        let vocabularies = (old.tenure.vocabulary, new.tenure.vocabulary);
        let same = vocabularies.0 != 0 && vocabularies.0 == vocabularies.1;
        let lives = matches!(old.station, Station::Serving(_) | Station::Finishing(_));
        let moves = |ticket| {
            let request = self.requests.get(&ticket);
            request.is_some_and(|request| request.moves(same, lives))
        };
        let mut moved = old.hand_over(&mut new, moves);
        moved.extend(swap.unloads.iter().copied());
        new.unloads = swap.unloads;
        (old.turnover, old.wanted) = (Turnover::Retired, false);
        old.drop_spare(&from, out);
        for ticket in moved {
            if let Some(request) = self.requests.get_mut(&ticket) {
                request.task.move_to(to);
            }
        }
        self.forgive(&from, &mut new);
        self.put_line(to, new);
        self.put_line(&from, old);
        self.settle(&from, out);
    }

    /// Nobody pays in the new line for what is left in the old one.
    fn forgive(&self, from: &LineId, new: &mut Line) {
        for request in self.requests.values() {
            if request.place.is_some() && request.task.line() == Some(from) {
                let embeds = matches!(request.task, Task::Embed(_));
                let lanes = if embeds { &mut new.texts } else { &mut new.slots };
                lanes.lane_mut(request.class).settle_up(request.conn, request.charged, 0);
            }
        }
    }

    /// The worker of a line does not come: if it was to take the place of another, that stays, and
    /// is loaded again if it had to go.
    pub(super) fn abandon_swap(&mut self, to: &LineId, refusal: &Refusal, out: &mut Vec<Effect>) {
        if !self.is_coming(to) {
            return;
        }
        let Some(swap) = self.swaps.remove(&to.model) else {
            return;
        };
        out.push(Effect::Kept(to.clone()));
        if let Some(ticket) = swap.ticket {
            self.conclude(ticket, End::Refused(refusal.clone()), out);
        }
        let draining = self.is_draining();
        if let Some(old) = self.lines.get_mut(&swap.from) {
            old.turnover = Turnover::Settled;
            old.wanted |= swap.displaced && swap.unloads.is_empty() && !draining;
            old.unloads.extend(swap.unloads);
        }
        self.settle(&swap.from, out);
    }
}

impl Request {
    /// Whether it waits for the new file from now on. Tokens continue where they came from as long
    /// as that serves, and never behind another vocabulary.
    fn moves(&self, same_vocabulary: bool, old_lives: bool) -> bool {
        let may = match self.bound {
            Bound::Model => true,
            Bound::Vocabulary => same_vocabulary,
            Bound::Edition => false,
        };
        may && (self.emitted == 0 || same_vocabulary && !old_lives)
    }
}
