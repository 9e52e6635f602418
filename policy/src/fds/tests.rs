use std::os::fd::AsRawFd;
use std::path::Path;

use super::table::expect;
use super::*;

#[test]
fn tables_are_those_of_the_design() {
    let numbers = |table: Vec<(RawFd, Kind)>| {
        let mut numbers: Vec<_> = table.into_iter().map(|(fd, _)| fd).collect();
        numbers.sort_unstable();
        numbers
    };
    assert_eq!(numbers(AT_READY.to_vec()), [0, 1, 2, 3]);
    assert_eq!(numbers(at_locked(2)), [0, 1, 2, 3, 8, 9]);
    assert_eq!(numbers(at_exec(1)), [0, 1, 2, 3, 4, 5, 8]);
    assert_eq!(at_locked(usize::MAX).len(), 4 + MODEL_FILES_MAX);
}

#[test]
fn a_table_is_judged_exactly() {
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    let fd = file.as_raw_fd();
    let table = [(fd, Kind::File)];
    assert!(expect(&[fd].into(), &table).is_ok());
    assert!(matches!(expect(&[].into(), &table), Err(FdError::Missing(missing)) if missing == fd));
    let surplus = expect(&[fd, 900].into(), &table);
    assert!(matches!(surplus, Err(FdError::Surplus(900))));
    let kind = expect(&[fd].into(), &[(fd, Kind::Pipe)]);
    assert!(matches!(kind, Err(FdError::Kind { found: Kind::File, .. })));
}

#[test]
fn kinds_are_told_apart() {
    let kind = |fd: RawFd| kind_of(Path::new("/proc/self/fd"), fd).unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    assert_eq!(kind(null.as_raw_fd()), Kind::Null);
    let directory = std::fs::File::open("/").unwrap();
    assert_eq!(kind(directory.as_raw_fd()), Kind::Other);
    let (left, _right) = std::os::unix::net::UnixStream::pair().unwrap();
    assert_eq!(kind(left.as_raw_fd()), Kind::Other);
    let memory = nix::sys::memfd::memfd_create(c"m", nix::sys::memfd::MFdFlags::MFD_CLOEXEC);
    assert_eq!(kind(memory.unwrap().as_raw_fd()), Kind::Memory);
}

#[test]
fn the_own_table_has_what_is_open() {
    let file = std::fs::File::open("/dev/null").unwrap();
    assert!(open_now().unwrap().contains(&file.as_raw_fd()));
}

#[test]
fn a_number_is_given_once() {
    assert!(matches!(claim_given(&[700, 700]), Err(FdError::Taken)));
}
