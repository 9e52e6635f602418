//! A model's GPU layers, from what is configured, installed, reported and granted.

use core_wire::{
    code::Refusal,
    worker::{Device, ModelFacts, Needs},
};

use super::Core;
use crate::{
    memory::gpu::{self, GpuPlan, Gpus, Layered, Moment},
    scheduler::LineId,
};

impl Core {
    /// How many layers of a model go to GPUs, and what is granted for them. `facts`, `needs` and
    /// `devices` are an inspector's that was started at `since`, with no layer on a GPU.
    ///
    /// # Errors
    /// `MODEL_LOAD` and `MEMORY`, as [`gpu::fit`].
    #[expect(dead_code, reason = "load.rs calls it as soon as it has an inspector's report")]
    pub(super) fn fit_gpu(
        &self,
        line: &LineId,
        facts: &ModelFacts,
        needs: &Needs,
        devices: &[Device],
        since: Moment,
    ) -> Result<GpuPlan, Refusal> {
        let config = &self.setup.config;
        let wish = self.registry.source(line).and_then(|source| source.settings.gpu_layers);
        let gpus = Gpus {
            backends: self.setup.worker.backends.len(),
            devices,
            since,
            vram_bytes: config.memory.vram_bytes,
            ledger: &self.gpus,
        };
        let wish = wish.unwrap_or(config.defaults.gpu_layers);
        gpu::fit(wish, &Layered::new(facts, needs), &gpus)
    }
}
