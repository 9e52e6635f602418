//! What a context takes, and what the process has.

use llama_cpp_sys_2 as sys;

use super::context::Context;

/// Buffer types of one context: the CPU's plain one, those with faster layouts, and one or two for
/// each of at most 16 devices.
const ENTRIES_MAX: usize = 64;

/// Where a buffer lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The CPU's plain buffer type: weights in it are mapped from the file.
    Plain,
    /// Other memory of the host: weights in a faster layout, or for a GPU to read.
    Host,
    /// A GPU.
    Device,
}

/// Bytes of one buffer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Where they lie.
    pub(crate) place: Place,
    /// Weights.
    pub(crate) model: u64,
    /// Keys and values, or a recurrent state.
    pub(crate) context: u64,
    /// Buffers for computing.
    pub(crate) compute: u64,
}

/// As memory.cpp declares it.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Entry {
    place: u32,
    model: u64,
    context: u64,
    compute: u64,
}

unsafe extern "C" {
    /// In memory.cpp.
    fn core_memory_breakdown(
        context: *const sys::llama_context,
        entries: *mut Entry,
        most: usize,
    ) -> i32;
}

impl Context<'_> {
    /// What this context and its model take, or would take where the model is loaded dry; `None`
    /// where the engine does not say. Outputs are not in it, see [`Context::outputs`].
    pub(crate) fn taken(&mut self) -> Option<Vec<Taken>> {
        let mut entries = [Entry::default(); ENTRIES_MAX];
        let to = entries.as_mut_ptr();
        // SAFETY: L6; it fills no more than so many entries, and lets no exception out.
        let count = unsafe { core_memory_breakdown(self.raw(), to, ENTRIES_MAX) };
        let filled = entries.get(..usize::try_from(count).ok()?)?;
        Some(filled.iter().map(taken).collect())
    }
}

fn taken(entry: &Entry) -> Taken {
    let place = match entry.place {
        0 => Place::Plain,
        1 => Place::Host,
        _ => Place::Device,
    };
    Taken { place, model: entry.model, context: entry.context, compute: entry.compute }
}

/// Bytes that the process has allocated, without those of the rings and of mapped files.
pub(crate) fn heap_bytes() -> u64 {
    // SAFETY: takes nothing and answers a value; glibc 2.33 and later.
    let heap = unsafe { libc::mallinfo2() };
    u64::try_from(heap.uordblks.saturating_add(heap.hblkhd)).unwrap_or(u64::MAX)
}
