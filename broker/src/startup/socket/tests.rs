use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, symlink},
        net::UnixStream,
    },
    path::Path,
};

use super::{Bound, Place, SocketError};

fn uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

fn bind(path: &Path) -> Result<Bound, SocketError> {
    let place = Place::of(path)?;
    let directory = place.prepare(uid(), None)?;
    place.bind(directory, uid())
}

#[test]
fn modes_are_the_users_alone_and_the_name_goes_with_the_broker() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("run/b.sock");
    let bound = bind(&path).unwrap();
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o7777, 0o700);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    UnixStream::connect(&path).unwrap();
    drop(bound);
    assert!(!path.exists());
}

#[test]
fn a_second_broker_is_refused_and_the_first_is_unharmed() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("run/b.sock");
    let first = bind(&path).unwrap();
    assert!(matches!(bind(&path), Err(SocketError::InUse { .. })));
    UnixStream::connect(&path).expect("the first broker's socket was disturbed");
    drop(first);
    assert!(bind(&path).is_ok());
}

#[test]
fn a_leftover_socket_is_replaced_and_anything_else_is_not() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("run/b.sock");
    drop(bind(&path).unwrap());
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a plain listener leaves its name");
    drop(bind(&path).unwrap());
    fs::write(&path, b"precious").unwrap();
    assert!(matches!(bind(&path), Err(SocketError::Occupied { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}

#[test]
fn a_directory_that_others_may_enter_is_refused() {
    for mode in [0o777, 0o701, 0o710, 0o750, 0o1777] {
        let base = tempfile::tempdir().unwrap();
        let directory = base.path().join("run");
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
        let got = bind(&directory.join("b.sock"));
        assert!(matches!(got, Err(SocketError::Mode { mode: m, .. }) if m == mode), "{mode:o}");
    }
}

#[test]
fn a_symlink_to_a_good_directory_is_refused() {
    let base = tempfile::tempdir().unwrap();
    let good = base.path().join("good");
    fs::create_dir(&good).unwrap();
    fs::set_permissions(&good, fs::Permissions::from_mode(0o700)).unwrap();
    symlink(&good, base.path().join("link")).unwrap();
    let got = bind(&base.path().join("link/b.sock"));
    assert!(matches!(got, Err(SocketError::Directory { .. })));
}

#[test]
fn a_foreign_directory_is_refused() {
    let base = tempfile::tempdir().unwrap();
    let place = Place::of(&base.path().join("run/b.sock")).unwrap();
    place.prepare(uid(), None).unwrap();
    let got = place.prepare(uid() + 1, None);
    assert!(matches!(got, Err(SocketError::Owner { .. })));
}

#[test]
fn root_gives_away_what_is_empty_and_its_own() {
    if uid() != 0 {
        // Not through print!, whose words the test runner keeps to itself.
        let words = "left out: root_gives_away_what_is_empty_and_its_own needs root";
        std::io::Write::write_all(&mut std::io::stdout(), words.as_bytes()).unwrap();
        return;
    }
    let base = tempfile::tempdir().unwrap();
    let place = Place::of(&base.path().join("run/b.sock")).unwrap();
    let directory = base.path().join("run");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(directory.join("something"), b"").unwrap();
    let full = place.prepare(4711, Some((4711, 4711)));
    assert!(matches!(full, Err(SocketError::Owner { owner: 0, .. })));
    fs::remove_file(directory.join("something")).unwrap();
    place.prepare(4711, Some((4711, 4711))).unwrap();
    let again = place.prepare(4712, Some((4712, 4712)));
    assert!(matches!(again, Err(SocketError::Owner { owner: 4711, .. })));
}

#[test]
fn a_path_must_fit_the_kernels_field() {
    let long = format!("/tmp/{}", "x".repeat(103));
    assert!(matches!(Place::of(Path::new(&long)), Err(SocketError::Path { .. })));
    assert!(matches!(Place::of(Path::new("/")), Err(SocketError::Path { .. })));
    assert!(Place::of(Path::new(&long[..107])).is_ok());
}
