//! What the broker is told of jobs.

use core_wire::{
    code::Refusal,
    ids::JobId,
    worker::{Ended, Refused, Step, StepToken, ToBroker},
};

use super::Desk;
use crate::fault::Fault;

/// Bytes of text in one STEP record: half of what a record may hold, the rest is room for numbers.
const STEP_RECORD_TEXT_BYTES: usize = 64 << 10;

impl Desk<'_> {
    /// Ends a job with an error.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn refuse(&mut self, job: JobId, refusal: &Refusal) -> Result<(), Fault> {
        let refused = Refused::new(job, refusal.code, &refusal.message);
        self.link.say(&ToBroker::Refused(refused))
    }

    /// Writes what a step brought: one record, or more if their texts are extraordinarily long.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn publish(
        &mut self,
        mut tokens: Vec<StepToken>,
        mut ended: Vec<Ended>,
    ) -> Result<(), Fault> {
        while !(tokens.is_empty() && ended.is_empty()) {
            let rest = tokens.split_off(fitting(&tokens));
            let ends = if rest.is_empty() { std::mem::take(&mut ended) } else { Vec::new() };
            self.step += 1;
            self.link.say(&ToBroker::Step(Step {
                step: self.step,
                tokens,
                ended: ends,
                parked: Vec::new(),
            }))?;
            tokens = rest;
        }
        Ok(())
    }

    /// Tells the broker which jobs were given up.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn parked(&mut self, parked: Vec<JobId>) -> Result<(), Fault> {
        if parked.is_empty() {
            return Ok(());
        }
        self.step += 1;
        let step = Step { step: self.step, parked, ..Step::default() };
        self.link.say(&ToBroker::Step(step))
    }
}

/// How many of `tokens` fit into one record; at least one.
fn fitting(tokens: &[StepToken]) -> usize {
    let mut bytes = 0;
    let fits = |token: &&StepToken| {
        bytes += token.text.len();
        bytes <= STEP_RECORD_TEXT_BYTES
    };
    tokens.iter().take_while(fits).count().max(1).min(tokens.len())
}
