//! What each device may take of a model, and how many layers that allows: exact arithmetic, without
//! a rounding that could turn more free memory into fewer layers.

use core_wire::limits::DEVICES_MAX;

use super::{Gpus, Layered};

/// Bytes of a device at most: 16 tebibytes, two hundred times the largest GPU. What a report claims
/// beyond it is cut, so that no product below overflows.
pub(super) const DEVICE_BYTES_MAX: u64 = 1 << 44;

/// Tenths of a device's free memory that are given away unless configured: the rest is for the
/// driver's own contexts, and for whatever else starts on the device.
const TENTHS: u64 = 9;

/// Layers that rounding may give a device beyond its share: one for each end of its range.
const ROUNDING: u64 = 2;

/// One device that gets a share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Its place in the report.
    device: usize,
    /// Bytes by which the engine sizes its share.
    free: u64,
    /// Tenths of bytes that may be granted on it.
    pub(super) tenths: u128,
}

impl Gpus<'_> {
    /// The devices that get a share, with what may be granted on each.
    pub(super) fn rooms(&self) -> Vec<Room> {
        let devices = self.devices.iter().take(DEVICES_MAX).enumerate();
        let rooms = devices.map(|(device, told)| {
            let free = told.free_bytes.min(told.total_bytes).min(DEVICE_BYTES_MAX);
            Room { device, free, tenths: self.tenths(device, free) }
        });
        rooms.filter(|room| room.free > 0).collect()
    }

    /// What is free includes what others take already, but not what they were granted since.
    fn tenths(&self, device: usize, free: u64) -> u128 {
        let unseen = u128::from(self.ledger.unseen(device, self.since));
        let free = u128::from(free);
        let Some(vram) = self.vram_bytes else {
            return (free * u128::from(TENTHS)).saturating_sub(10 * unseen);
        };
        let left = vram.saturating_sub(self.ledger.granted(device));
        10 * u128::from(left).min(free.saturating_sub(unseen))
    }
}

/// The most layers, output included, of which every device can take its share.
pub(super) fn most_layers(rooms: &[Room], model: &Layered) -> u32 {
    let total: u128 = rooms.iter().map(|room| u128::from(room.free)).sum();
    let inner = rooms.iter().map(|room| {
        let left = room.tenths.checked_sub(10 * u128::from(fixed(room, rooms, model)))?;
        // Exact, not rounded: only so do more free bytes never mean fewer layers.
        Some(left * total / (10 * u128::from(room.free) * u128::from(model.layer)))
    });
    match inner.min() {
        Some(Some(inner)) => {
            let inner = u32::try_from(inner).unwrap_or(u32::MAX).min(model.n_layer);
            inner.saturating_add(1)
        }
        Some(None) | None => 0,
    }
}

/// What a device takes for any share: its buffers, the output layer where it is the last, and the
/// layers that rounding may add where there are several.
fn fixed(room: &Room, rooms: &[Room], model: &Layered) -> u64 {
    let is_last = rooms.last().is_some_and(|last| last.device == room.device);
    let output = if is_last { model.output } else { 0 };
    let rounding = if rooms.len() > 1 { model.layer.saturating_mul(ROUNDING) } else { 0 };
    model.compute.saturating_add(output).saturating_add(rounding)
}

/// What so many layers take on each device of the report.
pub(super) fn takes(layers: u32, rooms: &[Room], model: &Layered) -> Vec<u64> {
    let total: u128 = rooms.iter().map(|room| u128::from(room.free)).sum();
    let inner = u128::from(layers.saturating_sub(1)) * u128::from(model.layer);
    let mut bytes = vec![0; rooms.last().map_or(0, |last| last.device + 1)];
    for room in rooms {
        let share = (inner * u128::from(room.free)).div_ceil(total.max(1));
        let share = u64::try_from(share).unwrap_or(u64::MAX);
        if let Some(taken) = bytes.get_mut(room.device) {
            *taken = share.saturating_add(fixed(room, rooms, model));
        }
    }
    bytes
}
