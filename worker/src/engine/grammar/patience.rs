//! How long a request's grammar may take for a step, in time.
//!
//! Everywhere else a limit on grammars is a count, so that the same grammar always has the same
//! fate. Counts are what bounds a step here as well (`limits`); but the parser counts the items
//! that it makes and not how often it looks for them, so how long a count lasts is a matter of the
//! grammar. A clock bounds what was not thought of. It stands far enough above what honest
//! grammars take that a busy machine seldom brings one there, and two late steps are forgiven: that
//! a machine had something else to do is not the grammar's doing.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use super::Failed;

/// What the mask of a step and taking its token in may take together. What the counts leave an
/// ambiguous grammar took 30 ms on two cores of a server, a schema of 390 properties 2 ms.
pub(super) const STEP_TIME_MAX: Duration = Duration::from_millis(50);

/// Steps of an answer that may take longer; the next one ends it.
pub(super) const SLOW_STEPS_MAX: u32 = 2;

/// How often a request's grammar was slow.
#[derive(Clone, Debug, Default)]
pub(super) struct Patience {
    /// What the step that runs has taken so far.
    step: Duration,
    slow: u32,
    /// Shared by all who follow the same compiled grammar: eight completions that meet its dearest
    /// place in one step pay for it once.
    lost: Rc<Cell<bool>>,
}

impl Patience {
    /// Does a part of a step.
    pub(super) fn time<T, E>(&mut self, part: impl FnOnce() -> Result<T, E>) -> Result<T, Failed> {
        let began = Instant::now();
        let made = part();
        self.step += began.elapsed();
        made.map_err(|_| self.failed())
    }

    /// What it means that the grammar failed: where that took long, nobody need try it again.
    pub(super) fn failed(&self) -> Failed {
        if self.step > STEP_TIME_MAX {
            self.lost.set(true);
        }
        Failed::Stuck
    }

    /// A token was taken in: what comes is another step.
    pub(super) fn step_ended(&mut self) {
        self.slow += u32::from(self.step > STEP_TIME_MAX);
        self.step = Duration::ZERO;
        if self.slow > SLOW_STEPS_MAX {
            self.lost.set(true);
        }
    }

    /// Whether it is over.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.get()
    }
}
