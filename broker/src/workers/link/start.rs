//! The records of a worker's start.

use core_wire::worker::Ready;

use super::{Breach, Heard, Ledger, Phase, Role, at_most};

impl<L> Ledger<L> {
    pub(super) fn variant(&mut self, index: u32) -> Result<Heard, Breach> {
        let Role::Choose { variants } = self.role else {
            return Err(Breach::OutOfTurn {
                what: "VARIANT of a serving worker",
                phase: self.phase,
            });
        };
        let last = variants.saturating_sub(1) as u64;
        at_most("the variant's index", index, last)?;
        self.phase = Phase::Ended;
        Ok(Heard::Variant(usize::try_from(index).unwrap_or(usize::MAX)))
    }

    pub(super) fn ready(&mut self, ready: Ready) -> Result<Heard, Breach> {
        let (n_ctx, slots, fewest) = match self.role {
            Role::Serve { n_ctx, slots } => (n_ctx, slots, 1),
            Role::Vocabulary => (0, 0, 0),
            Role::Choose { .. } => {
                let what = "READY of a choosing worker";
                return Err(Breach::OutOfTurn { what, phase: self.phase });
            }
        };
        at_most("n_ctx", ready.facts.n_ctx, n_ctx)?;
        at_most("slots", ready.facts.slots, slots)?;
        let few = ready.facts.slots < fewest || ready.facts.n_ctx < fewest;
        if few || ready.facts.n_vocab == 0 {
            return Err(Breach::OutOfTurn {
                what: "READY without slots, context or vocabulary",
                phase: self.phase,
            });
        }
        self.n_ctx = ready.facts.n_ctx;
        self.n_vocab = ready.facts.n_vocab;
        self.phase = Phase::Serving;
        Ok(Heard::Ready(ready))
    }
}
