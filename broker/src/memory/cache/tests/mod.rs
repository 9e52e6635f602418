mod format;

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    time::{Duration, SystemTime},
};

use core_wire::{
    code::{Code, Refusal},
    ids::{ContextName, ModelId},
    worker::KvType,
};
use tempfile::TempDir;

use super::{Belongs, CacheError, ENGINE, Folder, Place};

/// More than any context here takes.
const QUOTA: u64 = 1 << 20;

fn place(name: &str) -> Place {
    let model = ModelId::try_from("story".to_owned()).unwrap();
    Place { uid: 1000, model, name: ContextName::try_from(name.to_owned()).unwrap() }
}

fn belongs() -> Belongs {
    Belongs {
        model_sha256: [7; 32],
        build: "core-runtime 1, engine 2, libggml-cpu-x.so".into(),
        kv: KvType::F16,
        shape: [4, 128, 1024],
        adapters: vec![("a.gguf".into(), 0.5)],
    }
}

/// A state of so many bytes that says it has two tokens.
fn state(bytes: usize) -> Vec<u8> {
    let tokens = [2_u32, 300, 301].map(u32::to_le_bytes).concat();
    tokens.into_iter().chain((0..=u8::MAX).cycle()).take(bytes).collect()
}

fn folder() -> (TempDir, Folder) {
    let dir = TempDir::new().unwrap();
    let folder = Folder::new(fs::File::open(dir.path()).unwrap().into());
    (dir, folder)
}

fn code(error: CacheError) -> Code {
    Refusal::from(error).code
}

fn restore(folder: &Folder, place: &Place, belongs: &Belongs) -> Result<Vec<u8>, Code> {
    folder.restore(place, belongs, QUOTA).map(|restored| restored.state).map_err(code)
}

fn age(dir: &Path, place: &Place, seconds: u64) {
    let file = fs::File::options().write(true).open(dir.join(place.file_name())).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
}

#[test]
fn what_was_saved_is_restored_and_counted() {
    let (dir, folder) = folder();
    assert_eq!(folder.tidy().unwrap(), 0);
    let (one, other) = (place("one"), place("other"));
    let first = folder.save(&one, belongs(), &state(1000), QUOTA).unwrap();
    let second = folder.save(&other, belongs(), &state(500), QUOTA).unwrap();
    assert_eq!(second.saved_bytes, first.file_bytes + second.file_bytes);
    assert_eq!(folder.tidy().unwrap(), second.saved_bytes);
    assert_eq!(folder.size(&one), Some(first.file_bytes));
    let restored = folder.restore(&one, &belongs(), QUOTA).unwrap();
    assert_eq!((restored.state, restored.file_bytes), (state(1000), first.file_bytes));
    let again = folder.save(&one, belongs(), &state(300), QUOTA).unwrap();
    assert_eq!(again.saved_bytes, again.file_bytes + second.file_bytes, "it was replaced");
    assert_eq!(restore(&folder, &one, &belongs()), Ok(state(300)));
    let mode = fs::metadata(dir.path().join(one.file_name())).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_is_not_there_or_belongs_to_another_has_its_own_code() {
    let (dir, folder) = folder();
    let saved = place("a");
    folder.save(&saved, belongs(), &state(100), QUOTA).unwrap();
    let model = ModelId::try_from("story-b".to_owned()).unwrap();
    for other in
        [place("b"), Place { uid: 1001, ..saved.clone() }, Place { model, ..saved.clone() }]
    {
        assert_eq!(restore(&folder, &other, &belongs()), Err(Code::UnknownContext));
        // Somebody copied it there: it is authentic, and still not what was asked for.
        let (from, to) = (saved.file_name(), other.file_name());
        fs::copy(dir.path().join(from), dir.path().join(to)).unwrap();
        assert_eq!(restore(&folder, &other, &belongs()), Err(Code::ContextBroken));
    }
    for (now, word) in [
        (Belongs { model_sha256: [8; 32], ..belongs() }, "file"),
        (Belongs { build: "core-runtime 2".into(), ..belongs() }, "build"),
        (Belongs { kv: KvType::Q8, ..belongs() }, "kv type"),
        (Belongs { shape: [4, 128, 1025], ..belongs() }, "shape"),
        (Belongs { adapters: vec![("a.gguf".into(), 0.6)], ..belongs() }, "adapters"),
    ] {
        let Err(error) = folder.restore(&saved, &now, QUOTA) else {
            panic!("{word} was not compared");
        };
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(code(error), Code::ContextChanged);
    }
    assert_eq!(restore(&folder, &saved, &belongs()), Ok(state(100)));
}

#[test]
fn the_oldest_give_way_and_never_the_one_that_is_saved() {
    let (dir, folder) = folder();
    let bytes = folder.save(&place("a"), belongs(), &state(5000), QUOTA).unwrap().file_bytes;
    age(dir.path(), &place("a"), 10);
    folder.save(&place("b"), belongs(), &state(5000), 2 * bytes).unwrap();
    age(dir.path(), &place("b"), 20);
    let taken = folder.save(&place("c"), belongs(), &state(5000), 2 * bytes).unwrap();
    assert_eq!(taken.saved_bytes, 2 * bytes);
    assert_eq!((folder.size(&place("b")), folder.size(&place("a"))), (None, Some(bytes)));
    // The oldest itself is saved again: nothing else has to go.
    folder.save(&place("a"), belongs(), &state(5000), 2 * bytes).unwrap();
    assert_eq!(folder.size(&place("c")), Some(bytes));
    let error = folder.save(&place("d"), belongs(), &state(5001), bytes).unwrap_err();
    for number in [bytes + 1, bytes] {
        assert!(error.to_string().contains(&number.to_string()), "{error}");
    }
    assert_eq!(code(error), Code::Memory);
    assert_eq!(folder.tidy().unwrap(), 2 * bytes, "a refusal deletes nothing");
}

#[test]
fn who_saves_much_loses_own_contexts_before_others_do() {
    let (dir, folder) = folder();
    let other = Place { uid: 1001, ..place("theirs") };
    let bytes = folder.save(&other, belongs(), &state(5000), QUOTA).unwrap().file_bytes;
    age(dir.path(), &other, 30);
    folder.save(&place("a"), belongs(), &state(5000), QUOTA).unwrap();
    folder.save(&place("b"), belongs(), &state(5000), 3 * bytes - 100).unwrap();
    assert_eq!((folder.size(&place("a")), folder.size(&other)), (None, Some(bytes)));
}

#[test]
fn what_is_half_written_or_not_ours_is_left_alone_or_deleted() {
    let (dir, folder) = folder();
    fs::write(dir.path().join(".saving"), [0; 100]).unwrap();
    fs::write(dir.path().join("notes.txt"), [0; 100]).unwrap();
    assert_eq!(folder.tidy().unwrap(), 0);
    assert!(!dir.path().join(".saving").exists() && dir.path().join("notes.txt").exists());
    let secret = dir.path().join("secret");
    fs::write(&secret, "x").unwrap();
    symlink(&secret, dir.path().join(place("a").file_name())).unwrap();
    folder.save(&place("b"), belongs(), &state(100), QUOTA).unwrap();
    assert_eq!(restore(&folder, &place("a"), &belongs()), Err(Code::ContextBroken));
    // A link of that name is replaced; what it led to stays as it was.
    folder.save(&place("a"), belongs(), &state(100), QUOTA).unwrap();
    assert_eq!(fs::read_to_string(secret).unwrap(), "x");
    assert_eq!(restore(&folder, &place("a"), &belongs()), Ok(state(100)));
}

#[test]
fn the_key_is_made_once_and_trusted_only_where_nobody_else_can_read_it() {
    let (dir, folder) = folder();
    folder.save(&place("a"), belongs(), &state(100), QUOTA).unwrap();
    let path = dir.path().join("key");
    let key = fs::read(&path).unwrap();
    assert_eq!((key.len(), fs::metadata(&path).unwrap().permissions().mode() & 0o777), (32, 0o600));
    folder.save(&place("b"), belongs(), &state(100), QUOTA).unwrap();
    assert_eq!(fs::read(&path).unwrap(), key);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let error = folder.save(&place("a"), belongs(), &state(100), QUOTA).unwrap_err();
    assert!(error.to_string().contains("0640"), "{error}");
    assert_eq!(restore(&folder, &place("a"), &belongs()), Err(Code::Internal));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, &key[1..]).unwrap();
    assert_eq!(restore(&folder, &place("a"), &belongs()), Err(Code::Internal));
    fs::write(&path, [9; 32]).unwrap();
    assert_eq!(restore(&folder, &place("a"), &belongs()), Err(Code::ContextBroken), "another key");
    fs::remove_file(&path).unwrap();
    assert_eq!(restore(&folder, &place("a"), &belongs()), Err(Code::ContextBroken), "no key");
    assert!(!path.exists(), "reading makes no key");
}

#[test]
fn a_file_that_is_longer_than_allowed_is_not_read() {
    let (_dir, folder) = folder();
    let bytes = folder.save(&place("a"), belongs(), &state(1000), QUOTA).unwrap().file_bytes;
    let refused = folder.restore(&place("a"), &belongs(), bytes - 1);
    assert_eq!(refused.map(|_| ()).map_err(code), Err(Code::ContextBroken));
    assert!(folder.restore(&place("a"), &belongs(), bytes).is_ok());
}

#[test]
fn the_engine_that_is_named_is_the_one_that_is_built() {
    let workspace = include_str!("../../../../../Cargo.toml");
    let engine = ENGINE.replace(' ', " = ");
    let (name, version) = engine.split_once(" = ").unwrap();
    let line = workspace.lines().find(|line| line.starts_with(&format!("{name} ="))).unwrap();
    assert!(line.contains(&format!("={version}\"")), "{line}");
}
