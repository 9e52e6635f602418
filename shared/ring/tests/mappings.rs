//! Mappings: none can be emptied, moved or made writable, and none is left over. Row H08.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop here")]

mod support;

use std::os::fd::AsFd;
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::sys::mman::{MmapAdvise, ProtFlags, madvise, munmap};
use support::page::{PAGE, Page, map, unsealed};
use support::{SMALL, exactly, inherited, listed, rings, spawn};

/// MADV_REMOVE is the hole of fallocate by another door; it needs a shared writable mapping.
#[test]
fn a_read_only_mapping_cannot_be_emptied() {
    if let Some(fds) = inherited() {
        let [b, _w, _bell] = exactly(fds);
        let remove = |page: &Page| {
            // SAFETY: the page is mapped and nothing of this process lies in it.
            unsafe { madvise(page.0, PAGE, MmapAdvise::MADV_REMOVE) }
        };
        let control = unsealed();
        let writable = map(control.as_fd(), ProtFlags::PROT_READ | ProtFlags::PROT_WRITE).unwrap();
        remove(&writable).unwrap();
        let read_only = map(b.as_fd(), ProtFlags::PROT_READ).unwrap();
        let refused = remove(&read_only).unwrap_err();
        assert!(matches!(refused, Errno::EPERM | Errno::EACCES), "{refused}");
        return;
    }
    let (_broker, fds) = rings(&SMALL);
    let child = spawn("a_read_only_mapping_cannot_be_emptied", listed(&fds));
    assert!(child.finish().success());
}

/// After mseal(2) a worker that was taken over cannot move its own mappings either.
#[test]
fn attached_mappings_are_fixed() {
    if let Some(fds) = inherited() {
        let [b, w, bell] = exactly(fds);
        let free = map(w.as_fd(), ProtFlags::PROT_READ).unwrap();
        free.protect(ProtFlags::PROT_NONE).unwrap();
        let _ends = core_ring::attach(b, w, bell, &SMALL).unwrap();
        for name in ["ring-b", "ring-w"] {
            let page = std::mem::ManuallyDrop::new(mapping_of(name));
            assert_eq!(page.protect(ProtFlags::PROT_NONE), Err(Errno::EPERM), "{name}");
            // SAFETY: expected to fail; if it did not, the process ends with the assertion.
            let unmapped = unsafe { munmap(page.0, PAGE) };
            assert_eq!(unmapped, Err(Errno::EPERM), "{name}");
        }
        return;
    }
    let (_broker, fds) = rings(&SMALL);
    let child = spawn("attached_mappings_are_fixed", listed(&fds));
    assert!(child.finish().success());
}

/// The last mapping with this name: the one that attach made.
fn mapping_of(name: &str) -> Page {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().rfind(|line| line.contains(name) && !line.contains("---s")).unwrap();
    let start = usize::from_str_radix(line.split('-').next().unwrap(), 16).unwrap();
    Page(NonNull::new(std::ptr::with_exposed_provenance_mut(start)).unwrap())
}

/// The descriptors of the segments are gone from the broker once it drops them; only its mappings
/// are left, and they go with its end.
#[test]
fn the_broker_keeps_mappings_and_no_descriptors() {
    if inherited().is_some() {
        let (broker, fds) = rings(&SMALL);
        drop(fds);
        assert_eq!((open_memfds(), mapped()), (0, 2));
        drop(broker);
        assert_eq!((open_memfds(), mapped()), (0, 0), "nothing is left for a second worker");
        return;
    }
    let (_broker, fds) = rings(&SMALL);
    let child = spawn("the_broker_keeps_mappings_and_no_descriptors", [fds.bell.as_fd()]);
    assert!(child.finish().success());
}

fn open_memfds() -> usize {
    let fds = std::fs::read_dir("/proc/self/fd").unwrap();
    let links = fds.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    links.filter(|link| link.to_string_lossy().contains("memfd:ring-")).count()
}

fn mapped() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains("memfd:ring-")).count()
}
