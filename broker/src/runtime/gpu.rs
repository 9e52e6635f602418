//! A model's GPU layers, from what is configured, installed, reported and granted.

use core_wire::{code::Refusal, worker::Inspected};

use super::{Core, inspect::Seen};
use crate::{
    memory::gpu::{self, GpuPlan, Gpus, Layered},
    scheduler::LineId,
};

impl Core {
    /// How many layers of a model go to GPUs, and what is granted for them. What was found is of an
    /// inspector without any, `seen` is what there is.
    ///
    /// # Errors
    /// `MODEL_LOAD` and `MEMORY`, as [`gpu::fit`].
    pub(super) fn fit_gpu(
        &self,
        line: &LineId,
        found: &Inspected,
        seen: Option<Seen>,
    ) -> Result<GpuPlan, Refusal> {
        let (devices, since) = seen.unwrap_or_else(|| (Vec::new(), self.gpus.moment()));
        let gpus = Gpus {
            backends: self.setup.worker.backends.len(),
            devices: &devices,
            since,
            vram_bytes: self.setup.config.memory.vram_bytes,
            ledger: &self.gpus,
        };
        gpu::fit(self.gpu_wish(line), &Layered::new(&found.facts, &found.needs), &gpus)
    }
}
