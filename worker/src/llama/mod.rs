//! The engine, called by hand: model, context and batch, CPU variants by their files, and the log.
//!
//! The one module of the worker that may hold unsafe code. Of llama-cpp-2 it makes one thing, a
//! `LlamaModel` of a pointer that it loaded itself (ADR 0007). Invariants:
//!
//! * **L1** [`std::ffi::CString`] outlives each call that its pointer is handed to.
//! * **L2** A symbol is called only with the type that `ggml-backend-impl.h` declares for its name.
//! * **L3** The log callback keeps no state but atomics, allocates nothing, and never unwinds.
//! * **L4** `LlamaModel` of exactly llama-cpp-2 0.1.160 is a pointer that is not null and nothing
//!   else (`repr(transparent)` twice); a model's pointer becomes one once, and one owner frees it.
//! * **L5** What a callback is given outlives the one call that it is given to, and nothing else
//!   uses it meanwhile.
//! * **L6** A context's pointer is live from its making to its drop, its model outlives it (the
//!   borrow says so), and one thread uses it at a time: every call but those that only look needs
//!   `&mut`, and the type is neither `Send` nor `Sync`.
//! * **L7** A context's memory is asked for anew before each use; every sequence id is below the
//!   number that the context was made for, which is no more than `LLAMA_MAX_SEQ`.
//! * **L8** Rows of outputs lie in the context's own buffer, which the next step may move.
//! * **L9** Buffers for states go with their length; the engine's reader and writer stop there with
//!   an error (`llama_io_read_host`, `llama_io_write_host`).
//! * **L10** Devices are registered while back ends are loaded, at boot, and live as long as the
//!   process.
//! * **L11** Adapters are loaded before any context of their model is made, and live as long as it.

pub(crate) mod adapter;
pub(crate) mod batch;
pub(crate) mod context;
pub(crate) mod devices;
mod log;
pub(crate) mod memory;
pub(crate) mod model;
mod shape;
mod state;

#[cfg(test)]
pub(crate) mod tests;

use std::{
    ffi::{CStr, CString, c_int, c_void},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use thiserror::Error;

pub(crate) use self::log::{be_discreet, route_log};

/// `ggml_backend_score_t` of `ggml-backend-impl.h`: 0 where the CPU lacks something.
type ScoreFn = unsafe extern "C" fn() -> c_int;

/// The symbol of that type in every variant.
const SCORE: &CStr = c"ggml_backend_score";

/// A CPU variant cannot be used.
#[derive(Debug, Error)]
pub(crate) enum VariantError {
    /// A path must be absolute and without NUL.
    #[error("a library's path is not absolute or holds a NUL byte")]
    Path,
    /// `ggml_backend_load` answered null: not there, for another CPU, or of another build.
    #[error(
        "the CPU variant cannot be loaded; build again, or run `core-broker` on its own engine"
    )]
    Load,
    /// As above, of a GPU's back end.
    #[error("a GPU back end cannot be loaded; its driver or one of its libraries is missing")]
    Backend,
}

/// Loads the one CPU variant at `path` for the rest of the process.
///
/// # Errors
/// [`VariantError`].
pub(crate) fn load_variant(path: &Path) -> Result<(), VariantError> {
    load_library(path, VariantError::Load)
}

/// Loads the GPU back end at `path` for the rest of the process.
///
/// # Errors
/// [`VariantError`].
pub(crate) fn load_backend(path: &Path) -> Result<(), VariantError> {
    load_library(path, VariantError::Backend)
}

fn load_library(path: &Path, error: VariantError) -> Result<(), VariantError> {
    let path = absolute(path)?;
    // SAFETY: L1: the string is NUL-terminated and lives through the call, which copies it.
    let registered = unsafe { llama_cpp_sys_2::ggml_backend_load(path.as_ptr()) };
    if registered.is_null() { Err(error) } else { Ok(()) }
}

/// How well the variant at `path` suits this CPU; 0 if it cannot run or is no variant.
///
/// The library stays loaded: only a throwaway process asks.
///
/// # Errors
/// [`VariantError::Path`].
pub(crate) fn score_variant(path: &Path) -> Result<i32, VariantError> {
    let path = absolute(path)?;
    // SAFETY: L1; the file is one of the broker's own libraries, whose constructors are sound.
    let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if library.is_null() {
        return Ok(0);
    }
    // SAFETY: `library` is a live handle, since nothing closes it, and L1 for the static name.
    let symbol = unsafe { libc::dlsym(library, SCORE.as_ptr()) };
    if symbol.is_null() {
        return Ok(0);
    }
    // SAFETY: L2: a function of this name has this type in every back end; it is not null.
    let score = unsafe { std::mem::transmute::<*mut c_void, ScoreFn>(symbol) };
    // SAFETY: L2; it takes nothing and only asks the CPU for its features.
    Ok(unsafe { score() })
}

fn absolute(path: &Path) -> Result<CString, VariantError> {
    if !path.is_absolute() {
        return Err(VariantError::Path);
    }
    CString::new(path.as_os_str().as_bytes()).map_err(|_| VariantError::Path)
}
