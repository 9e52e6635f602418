//! Which part of a model a GPU computes: devices as a locked-down worker reports them, needs as it
//! estimates them, a budget for each device, and a ledger of what workers were granted.
//!
//! All of it is arithmetic on what a hostile process may have said: every number is bounded or
//! saturates, and a lie gains nothing but a load that fails. The engine divides the layers among
//! the devices by their free memory and cannot be told otherwise, so a model fits when the share of
//! every device fits there.

mod ledger;
mod rooms;
#[cfg(test)]
mod tests;

use core_wire::{
    code::{Code, Refusal},
    worker::{Device, ModelFacts, Needs},
};

pub(crate) use self::ledger::{Grant, Ledger, Moment};
use self::rooms::{Room, most_layers, takes};
use crate::{config::GpuLayers, startup::image::BACKENDS};

/// Layers of a model at most; the deepest published ones have some 130. core.toml takes as many.
const LAYERS_MAX: u32 = 1024;

/// How many times the average parameter one of the output layer may take: it is often kept at twice
/// the bits of the others.
const OUTPUT_TIMES: u128 = 2;

/// When to try again: another model's worker has to go first.
const RETRY_MS: u32 = 5_000;

/// What is known of the GPUs when a model is fitted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gpus<'a> {
    /// How many back ends are installed.
    pub(crate) backends: usize,
    /// The devices that a worker without files reported.
    pub(crate) devices: &'a [Device],
    /// When that one was started.
    pub(crate) since: Moment,
    /// Bytes of each device that workers may take, as configured.
    pub(crate) vram_bytes: Option<u64>,
    /// What workers were granted.
    pub(crate) ledger: &'a Ledger,
}

/// What of a model goes to GPUs.
#[derive(Debug)]
pub(crate) struct GpuPlan {
    /// For CONFIG: the output layer counts as one; 0 is the CPU profile and no back end.
    pub(crate) layers: u32,
    /// What it was granted on each device; nothing on the CPU. It is the worker's for its life.
    pub(crate) grant: Option<Grant>,
}

/// What a model needs, by layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layered {
    /// Layers, the output layer not counted.
    n_layer: u32,
    /// Bytes of one layer: its weights, and keys and values of its cells.
    layer: u64,
    /// Bytes of the output layer.
    output: u64,
    /// Bytes for computing on each device.
    compute: u64,
}

impl Layered {
    /// Divides what an inspector estimated for the CPU. The embeddings are counted with the layers
    /// although they stay on the host, so a layer is rather over than under its size.
    pub(crate) fn new(facts: &ModelFacts, needs: &Needs) -> Self {
        let weights = needs.mapped.saturating_add(needs.private);
        let layers = u64::from(facts.n_layer.max(1));
        let layer = weights.div_ceil(layers).saturating_add(needs.context.div_ceil(layers));
        let output = u128::from(facts.n_vocab) * u128::from(facts.n_embd) * OUTPUT_TIMES;
        let output = output.saturating_mul(weights.into()) / u128::from(facts.n_params.max(1));
        Self {
            n_layer: facts.n_layer,
            layer: layer.max(1),
            output: u64::try_from(output).unwrap_or(u64::MAX).min(weights),
            compute: needs.compute,
        }
    }

    /// Layers as the engine counts them, or `None` where the number makes no sense.
    fn all(&self) -> Option<u32> {
        (1..=LAYERS_MAX).contains(&self.n_layer).then(|| self.n_layer + 1)
    }
}

/// How many layers go to the GPUs, and what is granted for them.
///
/// # Errors
/// `MODEL_LOAD` when layers are asked for and there is no back end, no GPU, or no such number of
/// layers; `MEMORY`, with the numbers, when those that are asked for do not fit.
pub(crate) fn fit(wish: GpuLayers, model: &Layered, gpus: &Gpus<'_>) -> Result<GpuPlan, Refusal> {
    let none = GpuPlan { layers: 0, grant: None };
    if wish == GpuLayers::Exactly(0) {
        return Ok(none);
    }
    let possible = possible(wish, model, gpus);
    let wanted = match (possible, wish) {
        (Ok(wanted), _) => wanted,
        (Err(_), GpuLayers::Auto) => return Ok(none),
        (Err(refusal), GpuLayers::All | GpuLayers::Exactly(_)) => return Err(refusal),
    };
    let rooms = gpus.rooms();
    let room = most_layers(&rooms, model);
    let layers = match wish {
        GpuLayers::Auto => wanted.min(room),
        GpuLayers::All | GpuLayers::Exactly(_) if room < wanted => {
            return Err(too_little(wanted, room, &rooms, model));
        }
        GpuLayers::All | GpuLayers::Exactly(_) => wanted,
    };
    match layers {
        0 => Ok(none),
        _ => Ok(GpuPlan { layers, grant: Some(gpus.ledger.grant(takes(layers, &rooms, model))) }),
    }
}

/// The layers that are asked for, if there is anything to put them on.
fn possible(wish: GpuLayers, model: &Layered, gpus: &Gpus<'_>) -> Result<u32, Refusal> {
    let refused = |message: String| Err(Refusal::new(Code::ModelLoad, message));
    if gpus.backends == 0 {
        return refused(format!(
            "gpu_layers asks for a GPU and no back end is installed: put {} into the engine's \
             directory, or say gpu_layers = \"auto\"",
            BACKENDS.join(" or ")
        ));
    }
    if gpus.devices.iter().all(|device| device.free_bytes == 0) {
        return refused(format!(
            "gpu_layers asks for a GPU and the back ends found {} with free memory; look at the \
             driver and at who may open its devices, or say gpu_layers = \"auto\"",
            if gpus.devices.is_empty() { "none" } else { "none of theirs" }
        ));
    }
    let Some(all) = model.all() else {
        return refused(format!(
            "the model says that it has {} layers; 1 to {LAYERS_MAX} can be divided",
            model.n_layer
        ));
    };
    match wish {
        GpuLayers::Exactly(layers) if layers > all => refused(format!(
            "gpu_layers is {layers}, the model has {all} with its output layer; say \"all\""
        )),
        GpuLayers::Exactly(layers) => Ok(layers),
        GpuLayers::Auto | GpuLayers::All => Ok(all),
    }
}

fn too_little(wanted: u32, room: u32, rooms: &[Room], model: &Layered) -> Refusal {
    const MIB: u64 = 1 << 20;
    let sum = |bytes: &[u64]| bytes.iter().copied().fold(0, u64::saturating_add).div_ceil(MIB);
    let may: u128 = rooms.iter().map(|room| room.tenths / 10).sum();
    let message = format!(
        "{wanted} layers take {} MiB on {} GPUs, where {} MiB may be taken; {room} would fit: \
         lower gpu_layers or n_ctx, or unload another model",
        sum(&takes(wanted, rooms, model)),
        rooms.len(),
        may / u128::from(MIB)
    );
    Refusal::new(Code::Memory, message).after(RETRY_MS)
}
