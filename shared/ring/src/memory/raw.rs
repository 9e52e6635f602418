//! The mapping itself. Invariants I1 to I6 are those of the parent module.

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, munmap};

use crate::layout::{CONTROL_BYTES, Control, WORD};
use crate::primitive::word_of;

/// Words in front of the data.
const CONTROL_WORDS: usize = CONTROL_BYTES / WORD;

/// One mapped segment: a page of control words, then a power of two of data words.
#[derive(Debug)]
pub(super) struct Mapping {
    base: NonNull<AtomicU64>,
    words: usize,
    /// mseal(2) forbids munmap(2): the mapping then lives as long as the process.
    sealed: bool,
}

// SAFETY: the mapping belongs to the process, not to a thread, and is only accessed as atomic
// cells (I4); moving the handle to another thread moves nothing that is bound to one.
unsafe impl Send for Mapping {}

// SAFETY: every access through a shared handle is an atomic operation on a cell (I4).
unsafe impl Sync for Mapping {}

impl Mapping {
    pub(super) fn read_only(fd: BorrowedFd<'_>, data_bytes: usize) -> Result<Self, Errno> {
        Self::new(fd, data_bytes, ProtFlags::PROT_READ)
    }

    pub(super) fn read_write(fd: BorrowedFd<'_>, data_bytes: usize) -> Result<Self, Errno> {
        Self::new(fd, data_bytes, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)
    }

    /// Maps with all pages present: a page fault of the broker under memory pressure would be its
    /// death, a failing mmap is an error. Core dumps leave prompts out.
    fn new(fd: BorrowedFd<'_>, data_bytes: usize, prot: ProtFlags) -> Result<Self, Errno> {
        if !data_bytes.is_power_of_two() || data_bytes < WORD {
            return Err(Errno::EINVAL);
        }
        let bytes = NonZeroUsize::new(CONTROL_BYTES + data_bytes).ok_or(Errno::EINVAL)?;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_POPULATE;
        // SAFETY: a fresh mapping at an address of the kernel's choice overlaps no other memory;
        // the caller verified the size behind `fd` (I2).
        let address = unsafe { mmap(None, bytes, prot, flags, fd, 0) }?;
        // Owned from here on, so that a failing madvise unmaps it.
        let mapping = Self { base: address.cast(), words: data_bytes / WORD, sealed: false };
        let (address, bytes) = mapping.span();
        // SAFETY: the range is the mapping just made (I1); DONTDUMP changes no content.
        unsafe { madvise(address, bytes, MmapAdvise::MADV_DONTDUMP) }?;
        Ok(mapping)
    }

    fn span(&self) -> (NonNull<c_void>, usize) {
        (self.base.cast(), CONTROL_BYTES + self.words * WORD)
    }

    /// mseal(2), Linux 6.10: no munmap, mprotect or mremap of the range ever again.
    pub(super) fn seal(&mut self) -> Result<(), Errno> {
        let (address, bytes) = self.span();
        // SAFETY: mseal reads its three integers and changes only the range's attributes, which
        // is the whole of our own mapping (I1).
        let answer = unsafe { libc::syscall(libc::SYS_mseal, address.as_ptr(), bytes, 0_usize) };
        Errno::result(answer)?;
        self.sealed = true;
        Ok(())
    }

    /// Address of a control word.
    pub(super) fn control(&self, word: Control) -> *const AtomicU64 {
        // SAFETY: a control word lies in the control page (I3), which is mapped (I1).
        unsafe { self.base.as_ptr().add(word.word()).cast_const() }
    }

    pub(super) fn load_control(&self, word: Control) -> u64 {
        let cell = self.control(word);
        // SAFETY: an aligned cell of the mapping (I1, I3, I4), loaded relaxed (I5).
        unsafe { (*cell).load(Ordering::Relaxed) }
    }

    /// The caller is [`Own`](super::Own), so the mapping is writable.
    pub(super) fn store_control(&self, word: Control, value: u64) {
        let cell = self.control(word);
        // SAFETY: an aligned cell (I1, I3, I4) of a writable mapping (I6).
        unsafe { (*cell).store(value, Ordering::Relaxed) }
    }

    /// The caller is [`Own`](super::Own), so the mapping is writable.
    pub(super) fn release_control(&self, word: Control, value: u64) {
        let cell = self.control(word);
        // SAFETY: an aligned cell (I1, I3, I4) of a writable mapping (I6).
        unsafe { (*cell).store(value, Ordering::Release) }
    }

    /// The caller is [`Own`](super::Own), so the mapping is writable.
    pub(super) fn fetch_add(&self, word: Control) {
        let cell = self.control(word);
        // SAFETY: an aligned cell (I1, I3, I4) of a writable mapping, where a read-modify-write is
        // defined (I6).
        unsafe { (*cell).fetch_add(1, Ordering::Relaxed) };
    }

    pub(super) fn load(&self, position: u64) -> u64 {
        self.load_index(self.index(position))
    }

    /// The caller is [`Own`](super::Own), so the mapping is writable.
    pub(super) fn store(&self, position: u64, value: u64) {
        self.store_index(self.index(position), value);
    }

    /// Copies whole words out in two runs: up to the end of the data, then from its start.
    pub(super) fn copy_out(&self, position: u64, out: &mut [u8]) {
        let first = self.index(position);
        let (before, after) = out.split_at_mut(out.len().min(self.bytes_from(first)));
        self.copy_run_out(first, before);
        self.copy_run_out(0, after);
    }

    fn copy_run_out(&self, start: usize, out: &mut [u8]) {
        let run = self.run(start, out.len() / WORD);
        for (offset, bytes) in out.chunks_exact_mut(WORD).enumerate() {
            // SAFETY: the offset is below the run's length, so the cell lies in the run (I3).
            let cell = unsafe { run.add(offset) };
            // SAFETY: an aligned cell of the mapping (I1, I3, I4), loaded relaxed (I5).
            let word = unsafe { (*cell).load(Ordering::Relaxed) };
            bytes.copy_from_slice(&word.to_le_bytes());
        }
    }

    /// Copies whole words in, in two runs. The caller is [`Own`](super::Own).
    pub(super) fn copy_in(&self, position: u64, bytes: &[u8]) {
        let first = self.index(position);
        let (before, after) = bytes.split_at(bytes.len().min(self.bytes_from(first)));
        self.copy_run_in(first, before);
        self.copy_run_in(0, after);
    }

    fn copy_run_in(&self, start: usize, bytes: &[u8]) {
        let run = self.run(start, bytes.len() / WORD);
        for (offset, word) in bytes.chunks_exact(WORD).enumerate() {
            // SAFETY: the offset is below the run's length, so the cell lies in the run (I3).
            let cell = unsafe { run.add(offset) };
            // SAFETY: an aligned cell (I1, I3, I4) of a writable mapping (I6).
            unsafe { (*cell).store(word_of(word), Ordering::Relaxed) };
        }
    }

    /// The first cell of `words` cells without a seam between them.
    fn run(&self, start: usize, words: usize) -> *const AtomicU64 {
        let fits = start <= self.words && words <= self.words - start;
        assert!(fits, "a run is cut at the end of the data");
        // SAFETY: the start is at most `words` (I3), so the address lies in or just after the
        // mapping (I1).
        unsafe { self.base.as_ptr().add(CONTROL_WORDS + start).cast_const() }
    }

    fn bytes_from(&self, index: usize) -> usize {
        (self.words - index) * WORD
    }

    /// The data index of a byte position: masked, hence always in range.
    fn index(&self, position: u64) -> usize {
        index_of(position, self.words)
    }

    fn load_index(&self, index: usize) -> u64 {
        let cell = self.run(index, 1);
        // SAFETY: an aligned cell of the mapping (I1, I3, I4), loaded relaxed (I5).
        unsafe { (*cell).load(Ordering::Relaxed) }
    }

    fn store_index(&self, index: usize, value: u64) {
        let cell = self.run(index, 1);
        // SAFETY: an aligned cell (I1, I3, I4) of a writable mapping (I6).
        unsafe { (*cell).store(value, Ordering::Relaxed) }
    }
}

/// Maps any byte position, however hostile, to an index below `words`, a power of two.
#[expect(clippy::cast_possible_truncation, reason = "masked by a usize")]
pub(super) fn index_of(position: u64, words: usize) -> usize {
    (position / WORD as u64) as usize & (words - 1)
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.sealed {
            return;
        }
        let (address, bytes) = self.span();
        // SAFETY: the last handle goes, and every pointer into the mapping was derived from one
        // (I1). An error can only mean that nothing was unmapped, which is a leak and no danger.
        let _unmapped = unsafe { munmap(address, bytes) };
    }
}
