//! The records of a worker's start.

use core_wire::worker::{Inspected, ModelFacts, Needs, Ready};

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
        at_most("the variant's index", index, last)?; // guard
        self.phase = Phase::Ended;
        Ok(Heard::Variant(usize::try_from(index).unwrap_or(usize::MAX)))
    }

    pub(super) fn ready(&mut self, ready: Ready) -> Result<Heard, Breach> {
        let (n_ctx, slots, fewest) = match self.role {
            Role::Serve { n_ctx, slots } => (n_ctx, slots, 1),
            Role::Vocabulary => (0, 0, 0),
            Role::Choose { .. } | Role::Inspect { .. } | Role::Devices => {
                let what = "READY of a throwaway worker";
                return Err(Breach::OutOfTurn { what, phase: self.phase });
            }
        };
        self.facts(&ready.facts, (n_ctx, slots), fewest)?; // guard
        self.n_ctx = ready.facts.n_ctx;
        self.n_vocab = ready.facts.n_vocab;
        self.phase = Phase::Serving;
        Ok(Heard::Ready(ready))
    }

    pub(super) fn inspected(&mut self, inspected: Inspected) -> Result<Heard, Breach> {
        let says = |what| Err(Breach::OutOfTurn { what, phase: self.phase });
        match self.role {
            Role::Inspect { .. } if !inspected.devices.is_empty() => {
                return says("GPUs of a worker without back ends");
            }
            Role::Inspect { n_ctx, slots } => self.facts(&inspected.facts, (n_ctx, slots), 1)?,
            Role::Devices => {
                let nothing = (&ModelFacts::default(), &Needs::default());
                if (&inspected.facts, &inspected.needs) != nothing {
                    // guard
                    return says("a model of a worker without files");
                }
            }
            Role::Choose { .. } | Role::Vocabulary | Role::Serve { .. } => {
                return says("INSPECTED of a serving worker");
            }
        }
        self.phase = Phase::Ended;
        Ok(Heard::Inspected(Box::new(inspected)))
    }

    /// Checks what a model is said to be against what was asked for.
    fn facts(
        &self,
        facts: &ModelFacts,
        (n_ctx, slots): (u32, u32),
        fewest: u32,
    ) -> Result<(), Breach> {
        at_most("n_ctx", facts.n_ctx, n_ctx)?; // guard
        at_most("slots", facts.slots, slots)?; // guard
        if facts.slots < fewest || facts.n_ctx < fewest || facts.n_vocab == 0 {
            // guard
            let what = "a model without slots, context or vocabulary";
            return Err(Breach::OutOfTurn { what, phase: self.phase });
        }
        Ok(())
    }
}
