//! A model, loaded by hand: llama-cpp-2 can neither say where weights lie nor read split files.
//!
//! What it reads of a model (vocabulary, tokenizer, metadata) is used all over the worker, so the
//! pointer that was loaded here is also looked at as its [`LlamaModel`].

use std::{
    ffi::{CString, c_char, c_void},
    mem::{align_of, size_of},
    ops::Deref,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    ptr::NonNull,
};

use core_wire::worker::config::{Load, Weights};
use llama_cpp_2::{llama_backend::LlamaBackend, model::LlamaModel};
use llama_cpp_sys_2 as sys;

use super::adapter::Adapters;

// L4: the pinned llama-cpp-2 makes it `repr(transparent)` over a pointer that is not null.
const _: () = assert!(size_of::<LlamaModel>() == size_of::<NonNull<sys::llama_model>>());
const _: () = assert!(align_of::<LlamaModel>() == align_of::<NonNull<sys::llama_model>>());

/// Told how much is loaded, 0 to 1; answers whether to go on.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(f32) -> bool;

/// What to load, and how.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The parts in their order; one for a file that is not split.
    pub(crate) parts: Vec<PathBuf>,
    /// Whether weights are loaded.
    pub(crate) load: Load,
    /// Where they lie.
    pub(crate) weights: Weights,
    /// Layers that a GPU computes.
    pub(crate) gpu_layers: u32,
    /// Whether they are there at all.
    pub(crate) run: Run,
}

/// Whether weights are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// They are.
    Real,
    /// Their sizes alone are: nothing can be computed, and nothing of their size is allocated.
    Dry,
}

/// A loaded model.
#[derive(Debug)]
pub(crate) struct Model {
    raw: NonNull<sys::llama_model>,
    /// The owner, which frees it.
    known: LlamaModel,
    pub(super) adapters: Adapters,
}

impl Deref for Model {
    type Target = LlamaModel;

    fn deref(&self) -> &LlamaModel {
        &self.known
    }
}

impl Model {
    /// Loads the files of `source`; `None` where they are no model, or `progress` said to stop.
    pub(crate) fn load(
        _started: &LlamaBackend,
        source: &Source,
        mut progress: Progress<'_>,
    ) -> Option<Self> {
        let strings = source.parts.iter().map(|path| CString::new(path.as_os_str().as_bytes()));
        let strings: Vec<CString> = strings.collect::<Result<_, _>>().ok()?;
        let mut paths: Vec<*const c_char> = strings.iter().map(|path| path.as_ptr()).collect();
        let mut params = params(source);
        params.progress_callback = Some(on_progress);
        params.progress_callback_user_data = (&raw mut progress).cast();
        let raw = match paths.as_mut_slice() {
            [] => return None,
            // SAFETY: L1: the string lives through the call; L5 for the callback and its data.
            [one] => unsafe { sys::llama_model_load_from_file(*one, params) },
            // SAFETY: as above; pointer and length are those of a live slice of live strings.
            many => unsafe {
                sys::llama_model_load_from_splits(many.as_mut_ptr(), many.len(), params)
            },
        };
        NonNull::new(raw).map(Self::own)
    }

    /// Owns what the engine loaded.
    fn own(raw: NonNull<sys::llama_model>) -> Self {
        // SAFETY: L4: same layout, the pointer is live, and this is the one owner made of it.
        let known = unsafe { std::mem::transmute::<NonNull<sys::llama_model>, LlamaModel>(raw) };
        Self { raw, known, adapters: Adapters::default() }
    }

    /// The pointer for the engine's own calls.
    pub(super) fn raw(&self) -> *mut sys::llama_model {
        self.raw.as_ptr()
    }
}

fn params(source: &Source) -> sys::llama_model_params {
    // SAFETY: takes nothing and answers a value.
    let mut params = unsafe { sys::llama_model_default_params() };
    params.vocab_only = source.load == Load::Vocabulary;
    params.use_extra_bufts = source.weights == Weights::Repacked;
    params.n_gpu_layers = i32::try_from(source.gpu_layers).unwrap_or(i32::MAX);
    params.no_alloc = source.run == Run::Dry;
    params.load_mode = match source.run {
        Run::Real => sys::LLAMA_LOAD_MODE_MMAP,
        // The engine maps nothing that it does not allocate.
        Run::Dry => sys::LLAMA_LOAD_MODE_NONE,
    };
    params
}

unsafe extern "C" fn on_progress(fraction: f32, progress: *mut c_void) -> bool {
    // SAFETY: L5: the engine hands back what `Model::load` gave it, and only during that call.
    let progress = unsafe { &mut *progress.cast::<Progress<'_>>() };
    progress(fraction)
}
