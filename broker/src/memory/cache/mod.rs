//! Saved contexts: files in cache/ that hold what a worker computed of a session.
//!
//! A context is read by a worker of its model later, maybe after a restart of the broker, and the
//! engine would believe every byte of it. So a file says what it belongs to and is authenticated as
//! a whole, with a key that lies beside it and never leaves the broker. [`file`] is the format,
//! [`folder`] what may lie in cache/ and how much, [`key`] the key. All of it blocks, and runs on
//! the I/O thread (decision D1), where one thing happens after the other; nothing here keeps state.

mod file;
mod folder;
mod key;
#[cfg(test)]
mod tests;

use std::io;

use core_wire::{
    code::{Code, Refusal},
    ids::{ContextName, ModelId},
    worker::KvType,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

pub(crate) use self::{file::FILE_EXTRA_MAX, folder::Folder};
use crate::models::hash::Digest;

/// The engine that computes contexts; what one version saved another may not read.
pub(crate) const ENGINE: &str = "llama-cpp-sys-2 0.1.161";

/// When to try again where a save failed for want of space or of a disk that works.
const RETRY_MS: u32 = 5_000;

/// Digits of a model's hash in a file name: 128 bits, so no two ids meet.
const HASH_BYTES: usize = 16;

/// Whose context it is, and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The user at the other end of the connection.
    pub(crate) uid: u32,
    /// The model.
    pub(crate) model: ModelId,
    /// What the user calls it.
    pub(crate) name: ContextName,
}

/// What must be the same for a context to mean anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Belongs {
    /// SHA-256 of the model's file.
    pub(crate) model_sha256: Digest,
    /// The broker, its engine and the CPU variant that computed it.
    pub(crate) build: String,
    /// How keys and values are stored.
    pub(crate) kv: KvType,
    /// Layers, width and vocabulary of the model.
    pub(crate) shape: [u32; 3],
    /// LoRA adapters with their scales.
    pub(crate) adapters: Vec<(String, f32)>,
}

/// A context that was read, and found to be what it says.
pub(crate) struct Restored {
    /// What the worker had answered.
    pub(crate) state: Vec<u8>,
    /// Bytes of its file.
    pub(crate) file_bytes: u64,
}

/// What a context took when it was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Bytes of its file.
    pub(crate) file_bytes: u64,
    /// Bytes of all contexts.
    pub(crate) saved_bytes: u64,
}

/// Why a context is not saved or not read.
#[derive(Debug, Error)]
pub(crate) enum CacheError {
    /// There is none.
    #[error("no context `{name}` was saved for this model by this user: save one first")]
    Unknown {
        /// Its name.
        name: String,
    },
    /// It is not as it was written.
    #[error("the saved context is broken: {why}; save it again")]
    Broken {
        /// In which way.
        why: &'static str,
    },
    /// It belongs to something else.
    #[error("the saved context belongs to {what} than the model has now; save it again")]
    Changed {
        /// What differs.
        what: &'static str,
    },
    /// It is larger than all contexts together may be.
    #[error(
        "the context takes {bytes} bytes and all saved ones together may take {quota}: raise \
         `[cache] quota_mib`"
    )]
    Quota {
        /// What it takes.
        bytes: u64,
        /// What there is.
        quota: u64,
    },
    /// The key cannot be trusted.
    #[error("cache/key {why}; delete it if nobody else has read it: what was saved is lost then")]
    Key {
        /// Why.
        why: String,
    },
    /// A file operation.
    #[error("cache/ cannot be used: {0}")]
    Io(#[from] io::Error),
}

impl Place {
    /// Its file: the model's id may hold what a name must not, so its hash stands there.
    pub(crate) fn file_name(&self) -> String {
        let hash = Sha256::digest(self.model.as_str());
        let hex: String = hash.iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{hex}-{}{}", self.uid, self.name.as_str(), folder::ENDING)
    }
}

impl Belongs {
    /// What of it another differs in; the first of several.
    fn differs(&self, other: &Self) -> Option<&'static str> {
        let differences = [
            ("another file", self.model_sha256 != other.model_sha256),
            ("another build of core-runtime or of its engine", self.build != other.build),
            ("another kv type", self.kv != other.kv),
            ("another shape", self.shape != other.shape),
            ("other adapters", self.adapters != other.adapters),
        ];
        differences.into_iter().find(|&(_, differs)| differs).map(|(what, _)| what)
    }
}

impl From<nix::errno::Errno> for CacheError {
    fn from(errno: nix::errno::Errno) -> Self {
        Self::Io(errno.into())
    }
}

impl From<CacheError> for Refusal {
    fn from(error: CacheError) -> Self {
        let message = error.to_string();
        match error {
            CacheError::Unknown { .. } => Self::new(Code::UnknownContext, message),
            CacheError::Broken { .. } => Self::new(Code::ContextBroken, message),
            CacheError::Changed { .. } => Self::new(Code::ContextChanged, message),
            CacheError::Quota { .. } => Self::new(Code::Memory, message),
            CacheError::Key { .. } => Self::new(Code::Internal, message),
            CacheError::Io(_) => Self::new(Code::Internal, message).after(RETRY_MS),
        }
    }
}
