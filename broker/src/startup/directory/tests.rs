use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
};

use super::{DirectoryError, RootDirectory};

fn root_with_models() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("models")).unwrap();
    root
}

#[test]
fn what_may_be_made_is_made_for_the_user_alone() {
    let root = root_with_models();
    let _held = RootDirectory::open(root.path()).unwrap();
    for name in ["tokenizers", "temp", "cache"] {
        let found = fs::metadata(root.path().join(name)).unwrap();
        assert_eq!(found.mode() & 0o7777, 0o700, "{name}");
    }
}

#[test]
fn a_root_without_models_is_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let got = RootDirectory::open(root.path());
    assert!(matches!(got, Err(DirectoryError::NoModels { path }) if path.ends_with("models")));
    let missing = RootDirectory::open(&root.path().join("missing"));
    assert!(matches!(missing, Err(DirectoryError::Open { .. })));
}

#[test]
fn a_symlink_moves_no_boundary() {
    for name in ["models", "tokenizers", "temp", "cache"] {
        let root = root_with_models();
        let outside = tempfile::tempdir().unwrap();
        let place = root.path().join(name);
        if place.exists() {
            fs::remove_dir(&place).unwrap();
        }
        symlink(outside.path(), &place).unwrap();
        let got = RootDirectory::open(root.path());
        assert!(matches!(got, Err(DirectoryError::Open { .. })), "{name}");
    }
}

#[test]
fn a_second_broker_is_refused_until_the_first_is_gone() {
    let root = root_with_models();
    let first = RootDirectory::open(root.path()).unwrap();
    let second = RootDirectory::open(root.path());
    assert!(matches!(second, Err(DirectoryError::InUse { .. })));
    drop(first);
    assert!(RootDirectory::open(root.path()).is_ok());
}

#[test]
fn temp_is_emptied_and_links_in_it_are_not_followed() {
    let root = root_with_models();
    let outside = tempfile::tempdir().unwrap();
    let kept = outside.path().join("kept");
    fs::write(&kept, b"x").unwrap();
    let temp = root.path().join("temp");
    fs::create_dir_all(temp.join("worker-1/deep")).unwrap();
    fs::write(temp.join("worker-1/deep/file"), b"x").unwrap();
    fs::write(temp.join("file"), b"x").unwrap();
    symlink(outside.path(), temp.join("link")).unwrap();
    fs::set_permissions(&temp, fs::Permissions::from_mode(0o700)).unwrap();
    let _held = RootDirectory::open(root.path()).unwrap();
    assert_eq!(fs::read_dir(&temp).unwrap().count(), 0);
    assert!(kept.exists(), "a link in temp/ led the cleaning outside");
}
