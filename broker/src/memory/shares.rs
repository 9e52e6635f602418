//! A budget in shares: no session takes so much of it that nothing is left for others.
//!
//! A session may hold as much as it leaves free beyond a reserve: alone that is half, the next one
//! may have half of the rest, and so on, so no share lies idle while nobody claims it. And it may
//! hold its part of the reserve, as long as not too many want theirs: what requests of usual size
//! take. What a session holds counts for it also once it has ended.

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

/// What is kept free of each of the two, so that each session has its part of it.
const RESERVE_BYTES: usize = 64 << 20;

/// That part of the first: prompt and journal of five answers that fill a context of 8,192 tokens.
const EACH_PROMPTS_BYTES: usize = 1 << 20;

/// And of the second: one such answer, with 384 bytes for each token.
const EACH_ANSWERS_BYTES: usize = 4 << 20;

/// How much of something that sessions share one may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// What each may hold as long as there is so much.
    pub(crate) each_min: usize,
    /// What is kept free for that.
    pub(crate) reserve: usize,
}

/// What may be held in all, and what is by each session.
#[derive(Debug)]
pub(crate) struct Shares {
    all: Budget,
    /// Of sessions that hold something: by their cache domain, which no other session ever has.
    each: BTreeMap<DomainId, Rc<Cell<usize>>>,
    share: Share,
}

impl Share {
    /// Whether a session that holds `own` may hold so much more, where so much is free.
    pub(crate) fn allows(self, own: usize, more: usize, free: usize) -> bool {
        let Some(left) = free.checked_sub(more) else {
            return false;
        };
        let after = own.saturating_add(more);
        after <= self.each_min || after <= left.saturating_sub(self.reserve)
    }
}

impl Shares {
    /// The budget for prompts and for what their answers need so that they can be recovered.
    pub(crate) fn of_prompts() -> Self {
        let what = "a request with the journal of its answer";
        let share = Share { each_min: EACH_PROMPTS_BYTES, reserve: RESERVE_BYTES };
        Self::new(PROMPTS_BYTES_MAX, share, what)
    }

    /// The budget for answers that are kept.
    pub(crate) fn of_answers() -> Self {
        let what = "what is kept for whoever adopts it";
        let share = Share { each_min: EACH_ANSWERS_BYTES, reserve: RESERVE_BYTES };
        Self::new(ANSWERS_BYTES_MAX, share, what)
    }

    fn new(max: usize, share: Share, what: &'static str) -> Self {
        Self { all: Budget::new(max, what), each: BTreeMap::new(), share }
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
        if bytes > 0 && !self.share.allows(own.get(), bytes, free) {
            return Err(self.refusal(own.get(), bytes));
        }
        self.each.insert(session, own.clone());
        Ok(self.all.take(bytes, Some(own)))
    }

    fn refusal(&self, own: usize, bytes: usize) -> Refusal {
        let (what, all, max) = (self.all.what, self.all.held(), self.all.max);
        let Share { each_min, reserve } = self.share;
        let message = format!(
            "{what} takes up to {bytes} bytes; this session holds {own} and all hold {all} of \
             {max}, and beyond {each_min} a session may hold as much as it leaves free, without \
             {reserve}: ask again when some have ended, or ask for less"
        );
        let refusal = Refusal::new(Code::Memory, message);
        // What would not fit even then is not to be tried again.
        if bytes > (max - reserve) / 2 { refusal } else { refusal.after(RETRY_MS) }
    }
}
