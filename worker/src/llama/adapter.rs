//! LoRA adapters: loaded beside a model, and added to what every context of it computes.

use std::{ffi::CString, os::unix::ffi::OsStrExt, path::Path, ptr::NonNull};

use llama_cpp_sys_2 as sys;
use thiserror::Error;

use super::{context::Context, model::Model};

/// An adapter cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum AdapterError {
    /// The file is none, or one for another model.
    #[error("is no LoRA adapter for this model, or not whole")]
    File,
    /// It switches itself on at certain tokens, which is not supported.
    #[error("is an activated LoRA adapter, which is not served")]
    Activated,
    /// Its scale is no number.
    #[error("has a scale that is no number")]
    Scale,
}

/// Adapters of a model, which frees them when it goes.
#[derive(Debug, Default)]
pub(super) struct Adapters {
    raw: Vec<*mut sys::llama_adapter_lora>,
    scales: Vec<f32>,
}

impl Model {
    /// Loads the adapter at `path`; every context that is made from now on adds it, `scale` times.
    ///
    /// # Errors
    /// [`AdapterError`].
    pub(crate) fn adapt(&mut self, path: &Path, scale: f32) -> Result<(), AdapterError> {
        if !scale.is_finite() {
            return Err(AdapterError::Scale);
        }
        let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| AdapterError::File)?;
        // SAFETY: L1, and L11: the model is live and nothing else uses it.
        let raw = unsafe { sys::llama_adapter_lora_init(self.raw(), path.as_ptr()) };
        let raw = NonNull::new(raw).ok_or(AdapterError::File)?;
        // SAFETY: L11: the adapter is live.
        let tokens = unsafe { sys::llama_adapter_get_alora_n_invocation_tokens(raw.as_ptr()) };
        if tokens > 0 {
            return Err(AdapterError::Activated);
        }
        self.adapters.raw.push(raw.as_ptr());
        self.adapters.scales.push(scale);
        Ok(())
    }
}

impl Context<'_> {
    /// Adds the adapters of `model`, which is the one that this context was made of.
    pub(super) fn adapt(&mut self, model: &Model) {
        let (mut raw, mut scales) = (model.adapters.raw.clone(), model.adapters.scales.clone());
        if raw.is_empty() {
            return;
        }
        let (adapters, scales) = (raw.as_mut_ptr(), scales.as_mut_ptr());
        let count = raw.len();
        // SAFETY: L6 and L11: as many live adapters as scales; the call copies both and always
        // answers 0.
        unsafe { sys::llama_set_adapters_lora(self.raw(), adapters, count, scales) };
    }
}
