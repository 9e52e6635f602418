use std::{
    fs::{self, File, Permissions},
    io::Write as _,
    os::{fd::AsFd as _, unix::fs::PermissionsExt as _},
    path::Path,
};

use core_wire::code::Code;

use super::{Content, Files, Look, Names};
use crate::{
    config::{Adapter, ModelConfig},
    models::{
        hash::{Hasher, combined},
        loader::Folder,
        registry::Source,
    },
};

fn source(file: &str, parts: Option<u32>, adapters: usize) -> Source {
    let adapter = |index| Adapter { file: format!("lora/{index}.gguf"), scale: 0.5 };
    let adapters = (0..adapters).map(adapter).collect();
    let settings = ModelConfig { adapters, ..ModelConfig::default() };
    Source { file: file.into(), parts, settings }
}

/// A directory with a model of two parts and one adapter.
fn split() -> (tempfile::TempDir, File, Names) {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("lora")).unwrap();
    for (name, bytes) in
        [("m-00001-of-00002", "first"), ("m-00002-of-00002", "second"), ("lora/0", "adapter")]
    {
        put(dir.path(), name, bytes);
    }
    let fd = File::open(dir.path()).unwrap();
    let names = Names::of(&source("m-00001-of-00002.gguf", Some(2), 1)).unwrap();
    (dir, fd, names)
}

fn put(dir: &Path, name: &str, bytes: &str) {
    let path = dir.join(format!("{name}.gguf"));
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn the_names_of_a_split_model_are_counted_out() {
    let names = Names::of(&source("sub/m-00001-of-00003.gguf", Some(3), 1)).unwrap();
    let all = [
        "sub/m-00001-of-00003.gguf",
        "sub/m-00002-of-00003.gguf",
        "sub/m-00003-of-00003.gguf",
        "lora/0.gguf",
    ];
    assert_eq!(names.all, all);
    assert_eq!((names.parts(), names.scales()), (3, &[0.5][..]));
    let whole = Names::of(&source("m.gguf", None, 0)).unwrap();
    assert_eq!(whole, Names::single("m.gguf"));
    let one = Names::of(&source("m-00001-of-00001.gguf", Some(1), 0)).unwrap();
    assert_eq!(one.all, ["m-00001-of-00001.gguf"]);
}

#[test]
fn what_a_worker_cannot_be_given_is_refused_with_the_numbers() {
    assert!(Names::of(&source("m-00001-of-00063.gguf", Some(63), 1)).is_ok());
    for (parts, adapters) in [(64, 1), (99_999, 0), (1, 64)] {
        let file = format!("m-00001-of-{parts:05}.gguf");
        let refusal = Names::of(&source(&file, Some(parts), adapters)).unwrap_err();
        assert_eq!(refusal.code, Code::ModelLoad);
        for number in [parts.to_string(), adapters.to_string(), "64".into()] {
            assert!(refusal.message.contains(&number), "{}", refusal.message);
        }
    }
    for (file, parts) in [("m-00002-of-00003.gguf", None), ("m-00001-of-00000.gguf", Some(0))] {
        let refusal = Names::of(&source(file, parts, 0)).unwrap_err();
        assert_eq!(refusal.code, Code::ModelLoad);
        assert!(refusal.message.contains(file), "{}", refusal.message);
    }
}

#[test]
fn all_files_are_opened_or_none() {
    let (dir, fd, names) = split();
    let folder = Folder::models(fd.as_fd());
    let files = Files::open(folder, &names).unwrap();
    assert_eq!((files.fds().len(), files.parts(), files.scales()), (3, 2, &[0.5][..]));
    assert_eq!(files.content(), names.content(fd.as_fd()));
    assert_eq!(files.content().size_bytes(), 18);
    let few = files.without_adapters();
    assert_eq!((few.fds().len(), few.stamps().len(), few.scales().len()), (2, 2, 0));
    fs::remove_file(dir.path().join("m-00002-of-00002.gguf")).unwrap();
    let refusal = Files::open(folder, &names).unwrap_err();
    assert_eq!(refusal.code, Code::ModelLoad);
    assert!(refusal.message.contains("m-00002-of-00002.gguf"), "{}", refusal.message);
    fs::hard_link(dir.path().join("lora/0.gguf"), dir.path().join("m-00002-of-00002.gguf"))
        .unwrap();
    assert_eq!(Files::open(folder, &names).unwrap_err().code, Code::ModelPath);
}

#[test]
fn a_missing_part_is_another_content() {
    let (dir, fd, names) = split();
    let whole = names.content(fd.as_fd());
    fs::remove_file(dir.path().join("m-00002-of-00002.gguf")).unwrap();
    let missing = names.content(fd.as_fd());
    assert_ne!(whole, missing);
    assert!(missing.is_there() && !Names::single("none.gguf").content(fd.as_fd()).is_there());
    assert!(!Content::default().is_there());
}

#[test]
fn writing_and_cutting_is_a_change_and_another_name_or_mode_is_not() {
    let (dir, fd, names) = split();
    let folder = Folder::models(fd.as_fd());
    let part = dir.path().join("m-00002-of-00002.gguf");
    let mut files = Files::open(folder, &names).unwrap();
    assert_eq!(files.look(), Look::Same);
    fs::set_permissions(&part, Permissions::from_mode(0o400)).unwrap();
    // The clock that stamps files may not have moved since.
    fs::rename(&part, dir.path().join("other")).unwrap();
    assert!(matches!(files.look(), Look::Same | Look::Touched));
    put(dir.path(), "m-00002-of-00002", "another file with this name");
    assert!(matches!(files.look(), Look::Same | Look::Touched), "the old one is as it was");
    let now: Vec<_> = files.fds().iter().map(|fd| super::Stamp::now(fd.as_fd()).unwrap()).collect();
    files.accept(&now);
    assert_eq!(files.look(), Look::Same);
    let mut files = Files::open(folder, &names).unwrap();
    fs::OpenOptions::new().append(true).open(&part).unwrap().write_all(b"x").unwrap();
    let changed = Look::Changed { file: "m-00002-of-00002.gguf".into() };
    assert_eq!(files.look(), changed);
    files = Files::open(folder, &names).unwrap();
    fs::OpenOptions::new().write(true).open(&part).unwrap().set_len(1).unwrap();
    assert_eq!(files.look(), changed);
}

#[test]
fn another_byte_of_the_same_size_is_seen_by_its_time() {
    let (dir, fd, names) = split();
    let files = Files::open(Folder::models(fd.as_fd()), &names).unwrap();
    let part = dir.path().join("m-00001-of-00002.gguf");
    // Beyond the grain of any clock that stamps files.
    std::thread::sleep(std::time::Duration::from_millis(20));
    put(dir.path(), "m-00001-of-00002", "FIRST");
    assert_eq!(fs::metadata(part).unwrap().len(), 5);
    assert!(matches!(files.look(), Look::Changed { .. }));
}

#[test]
fn adapters_are_told_with_how_strongly_they_are_applied() {
    let (_dir, fd, names) = split();
    let files = Files::open(Folder::models(fd.as_fd()), &names).unwrap();
    assert_eq!(files.adapters(), [("lora/0.gguf".to_owned(), 0.5)]);
    assert_eq!(files.without_adapters().adapters(), []);
}

#[tokio::test]
async fn a_model_of_several_files_is_known_once_all_of_them_are() {
    let (dir, fd, names) = split();
    let files = Files::open(Folder::models(fd.as_fd()), &names).unwrap();
    let mut hasher = Hasher::start().unwrap();
    assert_eq!(hasher.known_of(&Content::default()), None, "nothing is no model");
    let (folder, mut digests) = (fd.as_fd(), Vec::new());
    for (fd, &stamp) in files.fds().iter().zip(files.stamps()) {
        assert_eq!(hasher.known_of(&names.content(folder)), None);
        let digest = hasher.hash(fd.try_clone().unwrap()).await.unwrap().unwrap();
        hasher.remember(stamp, digest);
        digests.push(digest);
    }
    // What a worker of it is known by, and so what a grammar compiles for.
    assert_eq!(hasher.known_of(&names.content(folder)), Some(combined(&digests)));
    fs::remove_file(dir.path().join("lora/0.gguf")).unwrap();
    assert_eq!(hasher.known_of(&names.content(folder)), None, "its adapter is gone");
}
