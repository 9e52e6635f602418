//! A model's GPU layers, from what is configured, installed, reported and granted.

use core_wire::{code::Refusal, worker::Inspected};

use super::Core;
use crate::{
    memory::gpu::{self, GpuPlan, Gpus, Layered, Moment},
    scheduler::LineId,
};

impl Core {
    /// How many layers of a model go to GPUs, and what is granted for them. What was found is of an
    /// inspector that was started at `since`, with no layer on a GPU.
    ///
    /// # Errors
    /// `MODEL_LOAD` and `MEMORY`, as [`gpu::fit`].
    pub(super) fn fit_gpu(
        &self,
        line: &LineId,
        found: &Inspected,
        since: Moment,
    ) -> Result<GpuPlan, Refusal> {
        let gpus = Gpus {
            backends: self.setup.worker.backends.len(),
            devices: &found.devices,
            since,
            vram_bytes: self.setup.config.memory.vram_bytes,
            ledger: &self.gpus,
        };
        gpu::fit(self.gpu_wish(line), &Layered::new(&found.facts, &found.needs), &gpus)
    }
}
