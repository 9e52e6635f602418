//! One page of a segment, mapped as an attacker would.

use std::num::NonZeroUsize;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mprotect, munmap};
use nix::unistd::ftruncate;

pub(crate) const PAGE: usize = 4096;

/// Bytes of a segment of the small layout: a page of control words and a page of data.
pub(crate) const BYTES: i64 = 8192;

/// A mapped page, unmapped at the end.
pub(crate) struct Page(pub(crate) NonNull<libc::c_void>);

impl Page {
    pub(crate) fn protect(&self, prot: ProtFlags) -> Result<(), Errno> {
        // SAFETY: the page is mapped and nothing of this process lies in it.
        unsafe { mprotect(self.0, PAGE, prot) }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: the page was mapped by `map` and no pointer into it is kept.
        let _unmapped = unsafe { munmap(self.0, PAGE) };
    }
}

pub(crate) fn map(fd: BorrowedFd<'_>, prot: ProtFlags) -> Result<Page, Errno> {
    let bytes = NonZeroUsize::new(PAGE).unwrap();
    // SAFETY: a new mapping at an address of the kernel's choice.
    unsafe { mmap(None, bytes, prot, MapFlags::MAP_SHARED, fd, 0) }.map(Page)
}

pub(crate) fn unsealed() -> OwnedFd {
    let fd = memfd_create("control", MFdFlags::MFD_ALLOW_SEALING | MFdFlags::MFD_CLOEXEC).unwrap();
    ftruncate(&fd, BYTES).unwrap();
    fd
}
