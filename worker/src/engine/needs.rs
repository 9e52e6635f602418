//! What a worker takes, from a dry run of the engine's own allocation.
//!
//! The engine says what weights, keys and values, and buffers for computing would take. What it
//! does not say (outputs, the vocabulary, the process itself) is added here.

#[cfg(test)]
mod tests;

use core_wire::worker::Needs;

use crate::llama::memory::{Place, Taken};

/// Bytes of a worker beside what is counted. Measured on four shapes, all within half a megabyte:
/// 11 MB of pages of the binary and the libraries, 3 MB of both rings, 4.3 MB of threads,
/// relocations and graphs (`worker/tests/process/inspecting.rs` holds it against whole workers).
const PROCESS_BYTES: u64 = 18 << 20;

/// Bytes for each id of the vocabulary beyond what loading it takes: a candidate of a choice (12),
/// and nodes of the tree that grammars are masked with.
const ID_BYTES: u64 = 64;

/// What a dry run found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// By buffer type, with the weights: the context that serves.
    pub(crate) serving: Vec<Taken>,
    /// By buffer type: the context that embeds beside it, if one may be made.
    pub(crate) embedding: Vec<Taken>,
    /// Outputs of both.
    pub(crate) outputs: u64,
    /// Adapters.
    pub(crate) adapters: u64,
    /// What is allocated once the vocabulary is read.
    pub(crate) heap: u64,
    /// Ids of the vocabulary.
    pub(crate) ids: u32,
}

impl Found {
    /// The sums that the broker is told.
    pub(crate) fn needs(&self) -> Needs {
        let process = PROCESS_BYTES.saturating_add(ID_BYTES * u64::from(self.ids));
        let mut needs = Needs {
            private: self.adapters,
            compute: self.outputs,
            base: self.heap.saturating_add(process),
            ..Needs::default()
        };
        self.serving.iter().for_each(|taken| weights(&mut needs, taken));
        let both = self.serving.iter().chain(&self.embedding);
        both.for_each(|taken| buffers(&mut needs, taken));
        needs
    }
}

fn weights(needs: &mut Needs, taken: &Taken) {
    let sum = match taken.place {
        Place::Plain => &mut needs.mapped,
        Place::Host => &mut needs.private,
        Place::Device => &mut needs.device,
    };
    *sum = sum.saturating_add(taken.model);
}

fn buffers(needs: &mut Needs, taken: &Taken) {
    match taken.place {
        Place::Plain | Place::Host => {
            needs.context = needs.context.saturating_add(taken.context);
            needs.compute = needs.compute.saturating_add(taken.compute);
        }
        Place::Device => {
            let sum = taken.context.saturating_add(taken.compute);
            needs.device = needs.device.saturating_add(sum);
        }
    }
}
