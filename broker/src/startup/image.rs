//! What a worker is started from: its binary, its CPU variants, GPU back ends, and what its loader
//! needs.

#![forbid(unsafe_code)]

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use core_policy::profile::Profile;
use thiserror::Error;

#[cfg(test)]
mod tests;

/// Where the worker's back ends may be, seen from the directory of the binaries: beside them in a
/// build, in PREFIX/lib when installed.
const ENGINE_DIRS: [&str; 2] = ["engine", "../lib/core-runtime"];
/// The worker's binary, beside the broker's.
const WORKER: &str = "core-worker";
/// Where an x86-64 system has its ELF interpreter (fixed by the psABI), the one that rustc links
/// to.
const INTERPRETER: &str = "/lib64/ld-linux-x86-64.so.2";
/// Directories that the loader searches for libc, libstdc++ and libgomp; those that exist are used.
const LIBRARY_DIRS: [&str; 4] = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"];
/// The GPU back ends that are ever loaded, by name: a stray library, such as the one that computes
/// over the network, is not.
pub const BACKENDS: [&str; 2] = ["libggml-cuda.so", "libggml-vulkan.so"];
/// Entries of the engine's directory that are looked at; llama.cpp builds some thirty files.
const ENTRIES_MAX: usize = 1024;

/// What a worker is started from; all paths are absolute and without links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerImage {
    /// The worker's binary.
    pub exe: PathBuf,
    /// The directory of its back ends.
    pub engine_dir: PathBuf,
    /// The CPU variants in it, sorted by name.
    pub variants: Vec<PathBuf>,
    /// The GPU back ends in it: those of [`BACKENDS`] that are installed, and nothing else.
    pub backends: Vec<PathBuf>,
}

/// What is missing; exit code 73.
#[derive(Debug, Error)]
pub enum ImageError {
    /// The broker's own place is unknown.
    #[error("the broker's own binary cannot be found: {0}; /proc must be mounted")]
    Own(io::Error),
    /// There is no worker.
    #[error("{path:?} cannot be reached: {cause}; core-worker belongs beside core-broker")]
    Worker {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// There are no back ends.
    #[error("no libggml-cpu-*.so in {beside:?} or {installed:?}; build or install again")]
    Engine {
        /// Where a build has them.
        beside: PathBuf,
        /// Where an installation has them.
        installed: PathBuf,
    },
}

impl WorkerImage {
    /// Looks beside the broker's own binary.
    ///
    /// # Errors
    /// [`ImageError`]; exit code 73.
    pub fn find() -> Result<Self, ImageError> {
        let own = std::env::current_exe().map_err(ImageError::Own)?;
        Self::beside(own.parent().unwrap_or(Path::new("/")))
    }

    /// Looks in the directory of the binaries.
    fn beside(directory: &Path) -> Result<Self, ImageError> {
        let path = directory.join(WORKER);
        let exe = fs::canonicalize(&path).map_err(|cause| ImageError::Worker { path, cause })?;
        let found = ENGINE_DIRS.iter().find_map(|place| {
            let engine_dir = fs::canonicalize(directory.join(place)).ok()?;
            let variants = variants(&engine_dir);
            (!variants.is_empty()).then_some((engine_dir, variants))
        });
        match found {
            Some((engine_dir, variants)) => {
                let backends = backends(&engine_dir);
                Ok(Self { exe, engine_dir, variants, backends })
            }
            None => {
                let [beside, installed] = ENGINE_DIRS.map(|place| directory.join(place));
                Err(ImageError::Engine { beside, installed })
            }
        }
    }

    /// What workers may be given: device nodes only where a GPU back end is installed.
    pub fn profile(&self) -> Profile {
        Profile::of_backends(&self.backends)
    }

    /// The worker's ELF interpreter, where the system has one.
    pub fn interpreter() -> Option<PathBuf> {
        fs::canonicalize(INTERPRETER).ok()
    }

    /// Directories that a worker's loader reads: the engine's and the system's.
    pub fn library_dirs(&self) -> Vec<PathBuf> {
        let mut directories = vec![self.engine_dir.clone()];
        for real in LIBRARY_DIRS.iter().filter_map(|place| fs::canonicalize(place).ok()) {
            if !directories.contains(&real) {
                directories.push(real);
            }
        }
        directories
    }
}

/// The back ends that are there. A link is not followed: it could lead out of the directory that
/// the installation owns.
fn backends(engine_dir: &Path) -> Vec<PathBuf> {
    let paths = BACKENDS.iter().map(|name| engine_dir.join(name));
    paths.filter(|path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file())).collect()
}

fn variants(engine_dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(engine_dir) else {
        return Vec::new();
    };
    let mut variants: Vec<_> = entries
        .take(ENTRIES_MAX)
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(is_variant))
        .map(|entry| entry.path())
        .collect();
    variants.sort();
    variants
}

fn is_variant(name: &str) -> bool {
    name.starts_with("libggml-cpu-") && name.ends_with(".so")
}
