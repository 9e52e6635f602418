use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use super::{
    TOKEN_BYTES_MAX, TOKEN_BYTES_MIN, Token, TokenError, from_descriptor, from_file, read,
};

fn piped(bytes: &[u8]) -> Result<Token, TokenError> {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let bytes = bytes.to_vec();
    let feeding = std::thread::spawn(move || writer.write_all(&bytes));
    let token = from_descriptor(reader.into());
    // A writer that found the pipe closed early is part of the too-long case.
    let _ = feeding.join().unwrap();
    token
}

fn file(directory: &Path, mode: u32) -> std::path::PathBuf {
    let path = directory.join("token");
    fs::write(&path, [b'k'; 40]).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

#[test]
fn lengths_are_bounded_on_both_sides() {
    assert!(matches!(piped(b""), Err(TokenError::Length { bytes: 0 })));
    assert!(matches!(piped(&[7; TOKEN_BYTES_MIN - 1]), Err(TokenError::Length { bytes: 31 })));
    assert_eq!(piped(&[7; TOKEN_BYTES_MIN]).unwrap().bytes(), [7; TOKEN_BYTES_MIN]);
    assert_eq!(piped(&[7; TOKEN_BYTES_MAX]).unwrap().bytes().len(), TOKEN_BYTES_MAX);
    assert!(matches!(piped(&[7; TOKEN_BYTES_MAX + 1]), Err(TokenError::Length { .. })));
}

#[test]
fn one_trailing_newline_is_dropped_and_no_more() {
    let line = [&[b'a'; 32][..], b"\n"].concat();
    assert_eq!(piped(&line).unwrap().bytes(), [b'a'; 32]);
    let two = [&[b'a'; 32][..], b"\n\n"].concat();
    assert_eq!(piped(&two).unwrap().bytes().len(), 33);
    let longest = [&[b'a'; TOKEN_BYTES_MAX][..], b"\n"].concat();
    assert_eq!(piped(&longest).unwrap().bytes().len(), TOKEN_BYTES_MAX);
}

#[test]
fn a_writer_that_never_closes_is_late() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&[1; 40]).unwrap();
    let start = Instant::now();
    let got = read(std::os::fd::AsFd::as_fd(&reader), start + Duration::from_millis(200));
    assert!(matches!(got, Err(TokenError::Late)));
    // poll counts whole milliseconds.
    assert!(start.elapsed() >= Duration::from_millis(190));
}

#[test]
fn a_file_must_be_the_owners_alone() {
    let directory = tempfile::tempdir().unwrap();
    for mode in [0o600, 0o400] {
        let path = file(directory.path(), mode);
        assert!(from_file(&path, own_uid()).is_ok(), "mode {mode:o} is the owner's alone");
        fs::remove_file(path).unwrap();
    }
    for mode in [0o640, 0o604, 0o620, 0o666] {
        let path = file(directory.path(), mode);
        let got = from_file(&path, own_uid());
        assert!(matches!(got, Err(TokenError::Mode { mode: m, .. }) if m == mode));
    }
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(matches!(from_file(&fifo, own_uid()), Err(TokenError::Kind { .. })));
    assert!(matches!(from_file(directory.path(), own_uid()), Err(TokenError::Kind { .. })));
    let missing = directory.path().join("missing");
    assert!(matches!(from_file(&missing, own_uid()), Err(TokenError::Open { .. })));
}

#[test]
fn a_debug_form_tells_nothing() {
    assert_eq!(format!("{:?}", piped(&[b'x'; 32]).unwrap()), "Token(..)");
}
