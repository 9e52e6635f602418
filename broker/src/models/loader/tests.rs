use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
};

use super::*;
use crate::models::tests::{code_of, directory, put};

#[test]
fn a_plain_file_opens_and_nothing_else_does() {
    let (dir, fd) = directory();
    put(dir.path(), "good.gguf", b"weights");
    assert_eq!(open(Folder::models(fd.as_fd()), "good.gguf").unwrap().stamp.size_bytes, 7);
    symlink("good.gguf", dir.path().join("link.gguf")).unwrap();
    symlink("/etc", dir.path().join("etc")).unwrap();
    fs::create_dir(dir.path().join("sub.gguf")).unwrap();
    nix::unistd::mkfifo(&dir.path().join("fifo.gguf"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket.gguf")).unwrap();
    for name in
        ["link.gguf", "etc/passwd", "sub.gguf", "fifo.gguf", "socket.gguf", "../x", "/etc/passwd"]
    {
        assert_eq!(code_of(open(Folder::models(fd.as_fd()), name)), Code::ModelPath, "{name}");
    }
    assert_eq!(code_of(open(Folder::models(fd.as_fd()), "missing.gguf")), Code::ModelLoad);
}

#[test]
fn a_file_with_another_name_elsewhere_is_refused_with_their_number() {
    let (dir, fd) = directory();
    let elsewhere = tempfile::tempdir_in(dir.path()).unwrap();
    put(elsewhere.path(), "own.gguf", b"x");
    for name in ["a.gguf", "b.gguf"] {
        fs::hard_link(elsewhere.path().join("own.gguf"), dir.path().join(name)).unwrap();
    }
    let refusal = open(Folder::models(fd.as_fd()), "a.gguf").unwrap_err();
    assert_eq!(refusal.code, Code::ModelPath);
    assert!(refusal.message.contains("a.gguf has 3 names"), "{}", refusal.message);
    fs::remove_dir_all(elsewhere.path()).unwrap();
    fs::remove_file(dir.path().join("b.gguf")).unwrap();
    assert!(open(Folder::models(fd.as_fd()), "a.gguf").is_ok());
}

#[test]
fn names_that_are_none_are_refused() {
    let (dir, fd) = directory();
    put(dir.path(), "good.gguf", b"x");
    for name in ["good.gguf\0.txt", "", "x/../good.gguf", "good.gguf/"] {
        let refusal = open(Folder::models(fd.as_fd()), name).unwrap_err();
        let codes = [Code::ModelPath, Code::ModelLoad];
        assert!(codes.contains(&refusal.code), "{name:?}: {refusal}");
        assert!(!refusal.message.contains('\0'));
    }
}

#[test]
fn what_was_opened_stays_whatever_takes_its_name() {
    let (dir, fd) = directory();
    put(dir.path(), "m.gguf", b"old");
    let opened = open(Folder::models(fd.as_fd()), "m.gguf").unwrap();
    put(dir.path(), "new", b"other");
    fs::rename(dir.path().join("new"), dir.path().join("m.gguf")).unwrap();
    let now = Stamp::now(opened.fd.as_fd()).unwrap();
    assert!(now.is_same_content(&opened.stamp) && now.size_bytes == 3);
    let name = Stamp::of_name(fd.as_fd(), "m.gguf").unwrap();
    assert!(!name.is_same_content(&opened.stamp));
}

#[test]
fn a_stamp_counts_once_nothing_can_be_written_within_its_time() {
    let (dir, fd) = directory();
    put(dir.path(), "m.gguf", b"x");
    let stamp = Stamp::of_name(fd.as_fd(), "m.gguf").unwrap();
    let now = std::time::SystemTime::now();
    let after = |ms| now + std::time::Duration::from_millis(ms);
    assert!(!stamp.is_settled(now) && !stamp.is_settled(after(1_500)));
    assert!(stamp.is_settled(after(2_500)));
    assert!(!stamp.is_settled(now - std::time::Duration::from_secs(3_600)), "a clock set back");
}

#[test]
fn what_everybody_may_write_is_refused_with_its_mode() {
    let (dir, fd) = directory();
    put(dir.path(), "open.gguf", b"x");
    let path = dir.path().join("open.gguf");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o606)).unwrap();
    let refusal = open(Folder::models(fd.as_fd()), "open.gguf").unwrap_err();
    assert_eq!(refusal.code, Code::ModelPath);
    assert!(refusal.message.contains("0606"), "{}", refusal.message);
}

#[test]
fn what_leads_out_of_tokenizers_is_told_with_its_name() {
    let (_dir, fd) = directory();
    let refusal = open(Folder::tokenizers(fd.as_fd()), "../x.gguf").unwrap_err();
    assert_eq!(refusal.code, Code::ModelPath);
    assert!(refusal.message.contains("tokenizers/"), "{}", refusal.message);
}

#[test]
fn a_file_that_would_be_hashed_for_days_is_refused_with_the_limit() {
    let (dir, fd) = directory();
    put(dir.path(), "hole.gguf", b"x");
    let file = fs::OpenOptions::new().write(true).open(dir.path().join("hole.gguf")).unwrap();
    file.set_len(BYTES_MAX.unsigned_abs()).unwrap();
    assert!(open(Folder::models(fd.as_fd()), "hole.gguf").is_ok());
    file.set_len(BYTES_MAX.unsigned_abs() + 1).unwrap();
    let refusal = open(Folder::models(fd.as_fd()), "hole.gguf").unwrap_err();
    assert_eq!(refusal.code, Code::ModelPath);
    assert!(refusal.message.contains("hole.gguf has 4398046511105 bytes"), "{}", refusal.message);
    assert!(refusal.message.contains(&BYTES_MAX.to_string()), "{}", refusal.message);
}
