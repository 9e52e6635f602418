use std::{
    fs,
    io::Write as _,
    os::{fd::AsFd as _, unix::fs::PermissionsExt as _},
    path::Path,
    time::Duration,
};

use core_wire::{
    client::{Grammar, event::ModelState},
    code::{Code, Refusal},
    ids::ModelId,
    worker::ModelFacts,
};
use sha2::{Digest as _, Sha256};

use super::{
    files::Names,
    grammars::{self, Grammars, Key},
    hash::{Hasher, combined, hex},
    listing::of_file,
    loader::{Folder, Stamp, open},
    registry::{Registry, unknown},
};
use crate::{
    config::{Config, ModelConfig},
    scheduler::Part,
};

pub(super) fn directory() -> (tempfile::TempDir, fs::File) {
    let dir = tempfile::tempdir().unwrap();
    let fd = fs::File::open(dir.path()).unwrap();
    (dir, fd)
}

pub(super) fn put(dir: &Path, name: &str, bytes: &[u8]) {
    let path = dir.join(name);
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

pub(super) fn code_of<T>(result: Result<T, Refusal>) -> Code {
    result.err().expect("a refusal").code
}

#[test]
fn a_model_of_several_files_has_the_digest_of_their_digests() {
    let digests = [[1; 32], [2; 32]];
    assert_eq!(combined(&digests[..1]), digests[0]);
    assert_eq!(combined(&digests), <[u8; 32]>::from(Sha256::digest(digests.concat())));
    assert_ne!(combined(&digests), combined(&[digests[1], digests[0]]));
}

#[test]
fn file_names_become_ids() {
    let id = |name| of_file(name).map(|(id, source)| (String::from(id), source.parts));
    assert_eq!(id("tiny.gguf"), Some(("tiny".into(), None)));
    assert_eq!(id("big-00001-of-00003.gguf"), Some(("big".into(), Some(3))));
    assert_eq!(id("big-00002-of-00003.gguf"), None);
    assert_eq!(id("odd-1-of-2.gguf"), Some(("odd-1-of-2".into(), None)));
    for name in ["notes.txt", ".gguf", ".hidden.gguf", "a..b.gguf", "tab\t.gguf", "\u{202e}x.gguf"]
    {
        assert_eq!(id(name), None, "{name:?}");
    }
}

#[test]
fn names_of_clients_are_found_refused_or_unknown() {
    let (dir, fd) = directory();
    put(dir.path(), "tiny.gguf", b"x");
    let mut registry = Registry::default();
    registry.scan(fd.as_fd(), &Config::default()).unwrap();
    assert!(registry.find("tiny").unwrap().is_some());
    assert!(registry.find("other").unwrap().is_none());
    assert!(registry.find("").unwrap().is_none());
    for name in ["../tiny", "a/b", "tiny\0", ".tiny", "\u{202e}ynit", "/etc/passwd", "..", "a\\b"] {
        let refusal = registry.find(name).unwrap_err();
        assert_eq!(refusal.code, Code::ModelPath, "{name:?}");
        assert!(!refusal.message.contains(['\0', '\u{202e}']));
    }
    assert!(!unknown("\u{202e}\u{7}x").message.contains(['\u{202e}', '\u{7}']));
}

#[test]
fn a_scan_adds_what_came_and_keeps_what_is_used() {
    let (dir, fd) = directory();
    for name in ["used.gguf", "idle.gguf"] {
        put(dir.path(), name, b"x");
    }
    let mut registry = Registry::default();
    registry.scan(fd.as_fd(), &Config::default()).unwrap();
    let used = ModelId::try_from("used".to_owned()).unwrap();
    registry.entry_mut(&used).unwrap().state = ModelState::Ready;
    fs::remove_file(dir.path().join("used.gguf")).unwrap();
    fs::remove_file(dir.path().join("idle.gguf")).unwrap();
    put(dir.path(), "late.gguf", b"xyz");
    registry.scan(fd.as_fd(), &Config::default()).unwrap();
    let all: Vec<_> = registry.iter().map(|(id, entry)| (id.as_str(), entry.size_bytes)).collect();
    assert_eq!(all, [("late", 3), ("used", 1)]);
}

#[test]
fn what_came_to_the_directory_or_went_puts_its_listing_behind() {
    let (dir, fd) = directory();
    put(dir.path(), "first.gguf", b"x");
    let mut registry = Registry::default();
    let mut behind_of = |change: &dyn Fn()| {
        registry.scan(fd.as_fd(), &Config::default()).unwrap();
        let before = registry.is_behind(fd.as_fd());
        // More than the grain of the clock of any kernel's file systems.
        std::thread::sleep(Duration::from_millis(20));
        change();
        (before, registry.is_behind(fd.as_fd()))
    };
    let path = |name| dir.path().join(name);
    assert_eq!(behind_of(&|| put(dir.path(), "second.gguf", b"x")), (false, true));
    assert_eq!(behind_of(&|| fs::remove_file(path("first.gguf")).unwrap()), (false, true));
    assert_eq!(behind_of(&|| fs::write(path("second.gguf"), b"longer").unwrap()), (false, false));
}

#[test]
fn the_configuration_names_models_beside_those_that_are_found() {
    let (dir, fd) = directory();
    for name in ["a.gguf", "b.gguf"] {
        put(dir.path(), name, b"x");
    }
    let id = ModelId::try_from("chat".to_owned()).unwrap();
    let settings = ModelConfig { file: Some("b.gguf".into()), ..ModelConfig::default() };
    let config = Config { models: [(id, settings)].into(), ..Config::default() };
    let mut registry = Registry::default();
    registry.scan(fd.as_fd(), &config).unwrap();
    let all: Vec<_> = registry.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(all, ["a", "chat"], "b.gguf is the file of chat");
}

#[tokio::test]
async fn hashes_are_right_and_remembered_by_content() {
    let (dir, fd) = directory();
    let large = vec![7; 40 << 20];
    put(dir.path(), "large.gguf", &large);
    put(dir.path(), "small.gguf", b"abc");
    let mut hasher = Hasher::start().unwrap();
    let of_large = hasher.hash(open(Folder::models(fd.as_fd()), "large.gguf").unwrap().fd);
    let small = open(Folder::models(fd.as_fd()), "small.gguf").unwrap();
    let digest = hasher.hash(small.fd).await.unwrap().unwrap();
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(hex(&digest), abc);
    assert_eq!(of_large.await.unwrap().unwrap(), <[u8; 32]>::from(Sha256::digest(&large)));
    hasher.remember(small.stamp, digest);
    assert_eq!(hasher.known(&Stamp::of_name(fd.as_fd(), "small.gguf").unwrap()), Some(digest));
    let path = dir.path().join("small.gguf");
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"d").unwrap();
    assert_eq!(hasher.known(&Stamp::of_name(fd.as_fd(), "small.gguf").unwrap()), None);
}

#[test]
fn grammars_are_known_by_model_kind_and_text() {
    let texts = [
        Grammar::Regex("a".into()),
        Grammar::Lark("a".into()),
        Grammar::Gbnf("a".into()),
        Grammar::JsonSchema("a".into()),
        Grammar::Regex("b".into()),
    ];
    let digests: std::collections::BTreeSet<_> = texts.iter().map(grammars::digest).collect();
    assert_eq!(digests.len(), texts.len());
    let key = |model: u8, text: usize| Key {
        model: [model; 32],
        grammar: grammars::digest(&texts[text]),
    };
    let mut known = Grammars::default();
    let refusal = Refusal::new(Code::BadGrammar, "no");
    known.remember(key(1, 0), Ok(()));
    known.remember(key(1, 1), Err(refusal.clone()));
    assert_eq!(known.outcome(&key(1, 0)), Some(&Ok(())));
    assert_eq!(known.outcome(&key(1, 1)), Some(&Err(refusal)));
    assert_eq!(known.outcome(&key(2, 0)), None, "another model has another vocabulary");
    for model in 2..66 {
        known.remember(key(model, 0), Ok(()));
    }
    assert_eq!(known.outcome(&key(1, 0)), None, "64 others came since");
    assert_eq!(known.outcome(&key(2, 0)), Some(&Ok(())));
}

#[test]
fn a_swap_does_not_lose_the_digest_that_is_declared_for_a_file() {
    let (dir, models) = directory();
    put(dir.path(), "m.gguf", b"m");
    put(dir.path(), "other.gguf", b"other");
    let id = |name: &str| ModelId::try_from(name.to_owned()).unwrap();
    let declared = |digest| ModelConfig { sha256: Some(digest), ..ModelConfig::default() };
    let mut config = Config::default();
    config.models.extend([(id("m"), declared([1; 32])), (id("other"), declared([2; 32]))]);
    let mut registry = Registry::default();
    registry.scan(models.as_fd(), &config).unwrap();
    for (file, digest) in [("m.gguf", 1), ("other.gguf", 2), ("m.gguf", 1)] {
        let line = registry.comes(&id("m"), file).unwrap();
        let coming = registry.source(&line).and_then(|source| source.settings.sha256);
        assert_eq!(coming, Some([digest; 32]), "{file}");
        registry.swapped(models.as_fd(), &line, (ModelFacts::default(), None));
        registry.scan(models.as_fd(), &config).unwrap();
        let now = registry.source(&line).and_then(|source| source.settings.sha256);
        assert_eq!(now, Some([digest; 32]), "{file} after another look");
    }
}

#[test]
fn a_swap_that_failed_is_tried_again_later_and_leaves_the_model_as_it_is() {
    let (dir, models) = directory();
    put(dir.path(), "m.gguf", b"m");
    put(dir.path(), "junk.gguf", b"junk");
    let mut registry = Registry::default();
    registry.scan(models.as_fd(), &Config::default()).unwrap();
    let id = ModelId::try_from("m".to_owned()).unwrap();
    let content = |file| Names::single(file).content(models.as_fd());
    let refusal = Refusal::new(Code::ModelLoad, "no");
    let swap = |registry: &mut Registry| registry.comes(&id, "junk.gguf").unwrap();
    let line = swap(&mut registry);
    assert_eq!(registry.too_early(&line, &content("junk.gguf"), 0), None);
    let attempts = registry.attempts_mut(&line).unwrap();
    attempts.failed(refusal.clone(), content("junk.gguf"), 1_000);
    registry.kept(&line);
    assert!(registry.attempts_mut(&line).is_none(), "it comes no more");
    assert_eq!(registry.entry(&id).unwrap().attempts.reason(), None);
    let again = swap(&mut registry);
    assert_eq!(registry.too_early(&again, &content("junk.gguf"), 1_100), Some(refusal));
    assert_eq!(registry.too_early(&again, &content("junk.gguf"), 1_500), None);
    assert_eq!(registry.too_early(&again, &content("m.gguf"), 1_100), None, "another content");
    let own = registry.line(id.clone(), Part::Whole);
    assert_eq!(registry.too_early(&own, &content("junk.gguf"), 1_100), None, "not its own file");
    registry.swapped(models.as_fd(), &again, (ModelFacts::default(), None));
    let third = swap(&mut registry);
    assert_eq!(registry.too_early(&third, &content("junk.gguf"), 1_100), None, "it was served");
}
