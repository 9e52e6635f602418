//! Memory: what clients make the broker hold, and what workers may take ([`pool`]).
//!
//! What the broker holds is a budget whose charges refund themselves.
//! A queue that is bounded in requests alone holds a gigabyte when each brings a long prompt. So
//! the bytes of all prompts that are kept for workers are counted here, with the ids of the longest
//! answer that each may get, and a request that does not fit is refused with `MEMORY` before
//! anything is kept of it. Answers that wait for whoever adopts them have a budget of their own:
//! nothing but time gives theirs back. Of either, a session may take its share ([`shares`]). What
//! models and their contexts take is the workers' memory; [`watch`] looks at it. Saved contexts are
//! counted by themselves while they pass through: they are larger than all prompts together, and
//! would keep those out.

pub(crate) mod cache;
pub(crate) mod gpu;
pub(crate) mod pool;
pub(crate) mod shares;
#[cfg(test)]
mod tests;
pub(crate) mod watch;

use std::{cell::Cell, iter, rc::Rc};

use core_wire::code::{Code, Refusal};

/// When to try again: a prompt is given back when its request ends, which may need it until then.
const RETRY_MS: u32 = 1_000;

/// What may be held, and what is.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    held: Rc<Cell<usize>>,
    max: usize,
    /// What is held, for sentences about it.
    what: &'static str,
}

/// Bytes that are held; dropping it gives them back.
#[derive(Debug)]
pub(crate) struct Charge {
    held: Rc<Cell<usize>>,
    /// What its session holds, where a budget has shares.
    own: Option<Rc<Cell<usize>>>,
    bytes: usize,
}

impl Budget {
    /// Bytes that are held now.
    pub(crate) fn held(&self) -> usize {
        self.held.get()
    }

    /// The budget for contexts on their way between workers and cache/.
    pub(crate) fn of_contexts(max: usize) -> Self {
        Self::new(max, "saved context")
    }

    fn new(max: usize, what: &'static str) -> Self {
        Self { held: Rc::default(), max, what }
    }

    /// Changes what may be held; what is held already stays.
    pub(crate) fn resize(&mut self, max: usize) {
        self.max = max;
    }

    /// Takes `bytes` out of the budget.
    ///
    /// # Errors
    /// `MEMORY`, naming what is asked, what is held and what may be.
    pub(crate) fn charge(&self, bytes: usize) -> Result<Charge, Refusal> {
        let held = self.held.get();
        if bytes > self.max.saturating_sub(held) {
            let message = format!(
                "the {} takes {bytes} bytes, others hold {held}, and {} may be held",
                self.what, self.max
            );
            return Err(Refusal::new(Code::Memory, message).after(RETRY_MS));
        }
        Ok(self.take(bytes, None))
    }

    /// Takes bytes that are known to be free, and counts them for a session as well.
    fn take(&self, bytes: usize, own: Option<Rc<Cell<usize>>>) -> Charge {
        let charge = Charge { held: self.held.clone(), own, bytes };
        charge.counters().for_each(|held| held.set(held.get() + bytes));
        charge
    }
}

impl Charge {
    /// How much it is.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives back all but so many of them.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.bytes -= less;
        self.counters().for_each(|held| held.set(held.get() - less));
    }

    fn counters(&self) -> impl Iterator<Item = &Cell<usize>> {
        iter::once(&*self.held).chain(self.own.as_deref())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.shrink(0);
    }
}
