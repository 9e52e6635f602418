//! A budget in shares: no session takes so much of it that nothing is left for others.
//!
//! Answers that wait for whoever adopts them are kept without anybody who reads, so nothing but
//! time gives their memory back. It is apart from that of prompts, which every request needs, and
//! counts for the session that asked for the ticket, also once that has ended.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use core_wire::{
    code::{Code, Refusal},
    ids::DomainId,
};

use super::{Budget, Charge, RETRY_MS};

/// Bytes of answers that are kept for whoever adopts them: as much as prompts may take, and some
/// eighty that fill a context of 8,192 tokens.
const ANSWERS_BYTES_MAX: usize = 256 << 20;

/// Sessions that can have their whole share at once. A share is 64 MiB then, which is one answer
/// that fills a context of 128 Ki tokens.
const SHARES: usize = 4;

/// What it is, for sentences about it.
const WHAT: &str = "what is kept for whoever adopts it";

/// What may be held in all and by each session, and what is.
#[derive(Debug)]
pub(crate) struct Shares {
    all: Budget,
    /// Of sessions that hold something: by their cache domain, which no other session ever has.
    each: BTreeMap<DomainId, Budget>,
    each_max: usize,
}

/// What is held for one session; dropping it gives it back to both.
#[derive(Debug)]
pub(crate) struct Portion {
    all: Charge,
    own: Charge,
}

impl Shares {
    /// The budget for answers that are kept.
    pub(crate) fn of_answers() -> Self {
        Self::new(ANSWERS_BYTES_MAX, ANSWERS_BYTES_MAX / SHARES)
    }

    fn new(max: usize, each_max: usize) -> Self {
        Self { all: Budget::new(max, WHAT), each: BTreeMap::new(), each_max }
    }

    /// Takes `bytes` out of the budget and out of a session's share of it.
    ///
    /// # Errors
    /// `MEMORY`, naming what is asked, what is held and what may be, of both.
    pub(crate) fn charge(&mut self, session: DomainId, bytes: usize) -> Result<Portion, Refusal> {
        self.each.retain(|_, budget| budget.held() > 0);
        let each_max = self.each_max;
        let own = self.each.entry(session).or_insert_with(|| Budget::new(each_max, WHAT));
        let held = (own.held(), self.all.held());
        match (own.charge(bytes), self.all.charge(bytes)) {
            (Ok(own), Ok(all)) => Ok(Portion { all, own }),
            // What one of them gave goes back with this.
            (Err(_), _) | (_, Err(_)) => Err(self.refusal(bytes, held)),
        }
    }

    fn refusal(&self, bytes: usize, (own, all): (usize, usize)) -> Refusal {
        let (each_max, max) = (self.each_max, self.all.max);
        let message = format!(
            "{WHAT} takes up to {bytes} bytes; this session holds {own} of its {each_max}, and all \
             sessions hold {all} of {max}: detach it later, or ask for fewer tokens"
        );
        Refusal::new(Code::Memory, message).after(RETRY_MS)
    }
}

impl Portion {
    /// How much it is.
    pub(crate) fn bytes(&self) -> usize {
        self.all.bytes()
    }

    /// Gives back all but so many bytes.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        self.all.shrink(bytes);
        self.own.shrink(bytes);
    }
}
