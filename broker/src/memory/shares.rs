//! A budget in shares: no session takes so much of it that nothing is left for others.
//!
//! A session may hold as much as it leaves free. Alone that is half of all; the next one may have
//! half of the rest, and so on. So no share lies idle while nobody claims it, and there is always
//! something for whoever comes. What a session holds counts for it also once it has ended.

#[cfg(test)]
mod tests;

use std::{cell::Cell, collections::BTreeMap, rc::Rc};

use core_wire::{
    code::{Code, Refusal},
    ids::DomainId,
};

use super::{Budget, Charge, RETRY_MS};

/// Bytes of prompts, and of what their answers need so that they can be recovered: 64 of the
/// largest frames.
const PROMPTS_BYTES_MAX: usize = 256 << 20;

/// Bytes of answers that are kept for whoever adopts them: some eighty that fill a context of 8,192
/// tokens.
const ANSWERS_BYTES_MAX: usize = 256 << 20;

/// What may be held in all, and what is by each session.
#[derive(Debug)]
pub(crate) struct Shares {
    all: Budget,
    /// Of sessions that hold something: by their cache domain, which no other session ever has.
    each: BTreeMap<DomainId, Rc<Cell<usize>>>,
}

impl Shares {
    /// The budget for prompts and for what their answers need so that they can be recovered.
    pub(crate) fn of_prompts() -> Self {
        Self::new(PROMPTS_BYTES_MAX, "a prompt with the journal of its answer")
    }

    /// The budget for answers that are kept.
    pub(crate) fn of_answers() -> Self {
        Self::new(ANSWERS_BYTES_MAX, "what is kept for whoever adopts it")
    }

    fn new(max: usize, what: &'static str) -> Self {
        Self { all: Budget::new(max, what), each: BTreeMap::new() }
    }

    /// Bytes that all sessions hold now.
    pub(crate) fn held(&self) -> usize {
        self.all.held()
    }

    /// Takes `bytes` out of the budget and out of a session's share of it.
    ///
    /// # Errors
    /// `MEMORY`, naming what is asked, what this session and all hold, and what may be held.
    pub(crate) fn charge(&mut self, session: DomainId, bytes: usize) -> Result<Charge, Refusal> {
        self.each.retain(|_, held| held.get() > 0);
        let own = self.each.get(&session).cloned().unwrap_or_default();
        let free = self.all.max.saturating_sub(self.all.held());
        if own.get().saturating_add(bytes) > free.saturating_sub(bytes) {
            return Err(self.refusal(own.get(), bytes));
        }
        self.each.insert(session, own.clone());
        Ok(self.all.take(bytes, Some(own)))
    }

    fn refusal(&self, own: usize, bytes: usize) -> Refusal {
        let (what, all, max) = (self.all.what, self.all.held(), self.all.max);
        let message = format!(
            "{what} takes up to {bytes} bytes; this session holds {own} and all hold {all} of \
             {max}, and a session may hold as much as it leaves free: let some end, or ask for less"
        );
        let refusal = Refusal::new(Code::Memory, message);
        // What would not fit even then is not to be tried again.
        if bytes > max / 2 { refusal } else { refusal.after(RETRY_MS) }
    }
}
