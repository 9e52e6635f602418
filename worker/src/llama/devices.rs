//! The GPUs that back ends found.

use std::ffi::CStr;

use core_wire::{
    limits::{DEVICES_MAX, WORKER_TEXT_BYTES_MAX},
    worker::Device,
};
use llama_cpp_sys_2 as sys;

/// All GPUs, in the engine's order.
pub(crate) fn devices() -> Vec<Device> {
    // SAFETY: takes nothing and answers a number.
    let count = unsafe { sys::ggml_backend_dev_count() };
    (0..count).filter_map(device).take(DEVICES_MAX).collect()
}

fn device(index: usize) -> Option<Device> {
    // SAFETY: L10: the index is below the number of devices.
    let device = unsafe { sys::ggml_backend_dev_get(index) };
    // SAFETY: L10: a registered device is never null and lives as long as the process.
    let kind = unsafe { sys::ggml_backend_dev_type(device) };
    if kind != sys::GGML_BACKEND_DEVICE_TYPE_GPU && kind != sys::GGML_BACKEND_DEVICE_TYPE_IGPU {
        return None;
    }
    let (mut free, mut total) = (0_usize, 0_usize);
    // SAFETY: L10, and both numbers are there for the call.
    unsafe { sys::ggml_backend_dev_memory(device, &raw mut free, &raw mut total) };
    // SAFETY: L10: a device has a name.
    let name = unsafe { sys::ggml_backend_dev_name(device) };
    if name.is_null() {
        return None;
    }
    // SAFETY: not null, NUL-terminated, and it lives as long as its device.
    let name = unsafe { CStr::from_ptr(name) };
    let printable = |c: &char| c.is_ascii_graphic() || *c == ' ';
    let name =
        name.to_string_lossy().chars().filter(printable).take(WORKER_TEXT_BYTES_MAX).collect();
    Some(Device { name, free_bytes: free as u64, total_bytes: total as u64 })
}
