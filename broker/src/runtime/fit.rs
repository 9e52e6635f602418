//! Where a model's weights go: the page cache or memory of its worker, the host or GPUs. Chosen
//! before the load, from what an inspector said and what is configured.

use std::{path::Path, rc::Rc};

use core_wire::{
    code::{Code, Refusal},
    worker::{
        Inspected, Needs,
        config::{Serve, Weights},
    },
};

use super::{
    Core, Shared,
    inspect::{Seen, devices, inspect},
    load::Failure,
};
use crate::{
    config::GpuLayers,
    memory::{
        gpu::{self, GpuPlan},
        pool::{self, Grant},
    },
    models::files::Files,
    scheduler::LineId,
};

/// Workers of one model that must fit the budget for a repacked copy each to be worth its memory:
/// a swap, or a worker that replaces another, holds two at once.
const REPACKED_TIMES: u64 = 2;

/// A model that was fitted.
pub(super) struct Fitted {
    /// How it is to be served.
    pub(super) serve: Serve,
    /// What an inspector said of it, served that way on the CPU.
    pub(super) found: Rc<Inspected>,
    /// What it was granted of GPUs.
    pub(super) gpu: Option<gpu::Grant>,
}

/// Chooses where the weights of open files go.
///
/// # Errors
/// Those of an inspector whose files are none of a model; `MEMORY` for layers that fit no GPU.
pub(super) async fn fit(
    core: &Shared,
    line: &LineId,
    files: &Files,
    variant: &Path,
) -> Result<Fitted, Failure> {
    let about = |refusal| Failure::of(refusal, files.content());
    let serve = core.borrow().serve_config(line, variant);
    let mut serve = Serve { parts: files.parts(), adapters: files.scales().to_vec(), ..serve };
    let mut found = inspect(core, files, &serve).await.map_err(about)?;
    if core.borrow().is_too_dear(line, &found.needs, &serve) {
        serve.weights = Weights::Shared;
        found = inspect(core, files, &serve).await.map_err(about)?;
    }
    let gpus = match serve.backends.is_empty() {
        true => None,
        false => gpus(core, line, &serve).await.map_err(about)?,
    };
    let plan = core.borrow().fit_gpu(line, &found, gpus);
    let GpuPlan { layers, grant } = plan.map_err(|refusal| match refusal.code {
        Code::Memory => Failure::NoRoom(refusal),
        _ => about(refusal),
    })?;
    serve.gpu_layers = layers;
    if layers == 0 {
        // Without a layer there the worker needs no device, and gets none.
        serve.backends.clear();
    }
    Ok(Fitted { serve, found, gpu: grant })
}

/// The GPUs that there are. A broken driver is no broken model: where the GPU is only an offer, it
/// is left out.
async fn gpus(core: &Shared, line: &LineId, serve: &Serve) -> Result<Option<Seen>, Refusal> {
    let seen = devices(core, serve).await;
    let offered = core.borrow().gpu_wish(line) == GpuLayers::Auto;
    match seen {
        Err(refusal) if offered => {
            let reason = refusal.message;
            tracing::warn!(model = %line.model, reason, "no GPU was found; left out");
            Ok(None)
        }
        Err(refusal) => Err(refusal),
        Ok(seen) => Ok(Some(seen)),
    }
}

impl Core {
    /// What a worker with such needs is granted.
    pub(super) fn grant_of(&self, needs: &Needs, serve: &Serve) -> Grant {
        let state_bytes_max = self.setup.config.cache.context_bytes_max;
        Grant::of_model(needs, serve.threads, state_bytes_max)
    }

    /// Refuses a context that is asked for by name and longer than the model was trained for; the
    /// one of all models is cut to each.
    pub(super) fn check_context(&self, line: &LineId, found: &Inspected) -> Result<(), Refusal> {
        let source = self.registry.source(line);
        let asked = source.and_then(|source| source.settings.n_ctx).unwrap_or(0);
        let trained = found.facts.n_ctx_train;
        if trained == 0 || asked <= trained {
            return Ok(());
        }
        let message = format!(
            "core.toml gives {} a context of {asked} tokens, it was trained for {trained}: \
             give it less",
            line.model
        );
        Err(Refusal::new(Code::ModelLoad, message))
    }

    /// Where the weights of a model are to lie, if that is configured.
    pub(super) fn weights(&self, line: &LineId) -> Option<Weights> {
        let settings = self.registry.source(line).and_then(|source| source.settings.weights);
        settings.or(self.setup.config.defaults.weights)
    }

    /// How many layers of a model are to lie on GPUs.
    pub(super) fn gpu_wish(&self, line: &LineId) -> GpuLayers {
        let wish = self.registry.source(line).and_then(|source| source.settings.gpu_layers);
        wish.unwrap_or(self.setup.config.defaults.gpu_layers)
    }

    /// The GPU back ends that a model's worker may be given.
    pub(super) fn backends(&self, line: &LineId) -> Vec<String> {
        if self.gpu_wish(line) == GpuLayers::Exactly(0) {
            return Vec::new();
        }
        let installed = self.setup.worker.backends.iter();
        installed.map(|path| path.to_string_lossy().into_owned()).collect()
    }

    /// Whether a repacked copy that nobody configured takes too much of the budget
    /// (policy/docs/adr/0008).
    fn is_too_dear(&self, line: &LineId, needs: &Needs, serve: &Serve) -> bool {
        let free_choice = self.weights(line).is_none() && serve.weights == Weights::Repacked;
        let each = self.grant_of(needs, serve).total_bytes();
        let budget = pool::budget_bytes(&self.setup.config.memory);
        free_choice && each.saturating_mul(REPACKED_TIMES) > budget
    }
}
