//! From a model's files to a worker: which files are taken, what is told of them before, and how
//! much memory the worker may use.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Instant};

use core_tests::{
    gguf::{self, Broken, Shape, VocabKind},
    harness::{Broker, Install},
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::talk::PATIENCE;

/// Names in models/ that take the broker long to look at.
const NAMES: usize = 3000;

/// An installation with the model `tiny` and this `core.toml`.
fn install(config: &str) -> Install {
    let install = Install::new().expect("an installation");
    gguf::write_model(&Shape::tiny(), &install.model("tiny")).expect("a model");
    fs::write(install.root().join("core.toml"), config).expect("written");
    install
}

fn sha256(file: &Path) -> [u8; 32] {
    Sha256::digest(fs::read(file).expect("read")).into()
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What `models` says of one.
fn told(broker: &Broker, id: &str) -> Value {
    let models = broker.corectl(&["models"]);
    let model = models.lines.iter().find(|model| model["id"] == id);
    model.unwrap_or_else(|| panic!("{id} is not told: {models:?}")).clone()
}

/// The code and the sentence that a request ends with.
fn refused(broker: &Broker, arguments: &[&str]) -> (String, String) {
    let output = broker.corectl(arguments);
    assert_eq!(output.code, 1, "{arguments:?}: {output:?}\n{}", broker.log());
    let error = output.events("error").next().expect("an error");
    (output.error().to_owned(), error["message"].as_str().unwrap_or_default().to_owned())
}

fn answers(broker: &Broker, model: &str) -> Vec<u64> {
    let output =
        broker.corectl(&["run", model, "ab ba", "-n", "12", "--temp", "0", "--ignore-eos"]);
    assert_eq!(output.code, 0, "{model}: {output:?}\n{}", broker.log());
    output.tokens()
}

#[test]
fn a_split_model_is_the_whole_one_and_a_missing_part_is_named() {
    let install = install("");
    let split = Shape { split: Some(3), ..Shape::tiny() };
    for id in ["parts", "gone"] {
        gguf::write_model(&split, &install.model(id)).expect("a split model");
    }
    fs::remove_file(install.model("gone-00002-of-00003")).expect("removed");
    let broker = Broker::start(install, &[]).expect("a broker");
    assert_eq!(answers(&broker, "parts"), answers(&broker, "tiny"));
    let digests: Vec<u8> = (1..=3)
        .flat_map(|part| sha256(&broker.install.model(&format!("parts-{part:05}-of-00003"))))
        .collect();
    assert_eq!(told(&broker, "parts")["sha256"], hex(&Sha256::digest(digests)));
    assert_eq!(told(&broker, "tiny")["sha256"], hex(&sha256(&broker.install.model("tiny"))));
    let (name, message) = refused(&broker, &["run", "gone", "x"]);
    assert_eq!(name, "MODEL_LOAD");
    assert!(message.contains("gone-00002-of-00003.gguf"), "{message}");
    assert_eq!(broker.corectl(&["audit"]).code, 0, "nothing required is missing");
    broker.corectl(&["unload", "parts"]);
    let tokens = broker.corectl(&["tokenize", "parts", "ab ba"]);
    assert_eq!(tokens.code, 0, "a vocabulary of parts: {tokens:?}\n{}", broker.log());
    let whole = broker.corectl(&["tokenize", "tiny", "ab ba"]);
    assert_eq!(tokens.lines[0]["tokens"], whole.lines[0]["tokens"]);
}

#[test]
fn another_hash_and_another_name_are_refused() {
    let declared = "00".repeat(32);
    let install = install(&format!("[models.tiny]\nsha256 = \"{declared}\"\n"));
    install.add_story().expect("the story");
    fs::hard_link(install.model("story"), install.root().join("elsewhere")).expect("a link");
    gguf::write_model(&Shape::tiny(), &install.model("good")).expect("a model");
    let broker = Broker::start(install, &[]).expect("a broker");
    let (name, message) = refused(&broker, &["run", "tiny", "x"]);
    assert_eq!(name, "MODEL_HASH", "{message}");
    assert!(message.contains(&declared), "{message}");
    let (name, message) = refused(&broker, &["run", "story", "x"]);
    assert_eq!(name, "MODEL_PATH", "{message}");
    assert!(message.contains("2 names"), "{message}");
    fs::remove_file(broker.install.root().join("elsewhere")).expect("removed");
    answers(&broker, "story");
    answers(&broker, "good");
}

#[test]
fn a_model_is_told_before_it_is_loaded() {
    let install = install("");
    gguf::write_broken(Broken::Garbage, &install.model("garbage")).expect("a broken file");
    let broker = Broker::start(install, &[]).expect("a broker");
    let began = Instant::now();
    let tiny = told(&broker, "tiny");
    assert!(began.elapsed() < PATIENCE, "it took {:?}", began.elapsed());
    assert_eq!((&tiny["state"], &tiny["sha256"]), (&"unloaded".into(), &Value::Null), "{tiny}");
    assert_eq!((&tiny["n_ctx_train"], &tiny["n_ctx"]), (&4096.into(), &4096.into()), "{tiny}");
    assert_eq!((&tiny["architecture"], &tiny["n_vocab"]), (&"llama".into(), &512.into()));
    assert!(tiny["memory_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{tiny}");
    let garbage = told(&broker, "garbage");
    assert_eq!(garbage["state"], "failed", "{garbage}");
    assert!(garbage["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{garbage}");
    assert_eq!(broker.workers().len(), 0, "inspectors do not stay");
    answers(&broker, "tiny");
    assert_eq!(told(&broker, "tiny")["n_params"], tiny["n_params"], "its worker says the same");
}

#[test]
fn a_context_longer_than_trained_is_refused_with_both_numbers() {
    let broker = Broker::start(install("[models.tiny]\nn_ctx = 8192\n"), &[]).expect("a broker");
    let (name, message) = refused(&broker, &["load", "tiny"]);
    assert_eq!(name, "MODEL_LOAD");
    assert!(message.contains("8192") && message.contains("4096"), "{message}");
    let cut = Broker::start(install("[defaults]\nn_ctx = 8192\n"), &[]).expect("a broker");
    cut.load("tiny");
    assert_eq!(told(&cut, "tiny")["n_ctx"], 4096, "what all models get is cut to each");
}

#[test]
fn what_never_fits_is_refused_with_the_numbers_and_disturbs_nobody() {
    let install = install("[memory]\nbudget_mib = 256\n[models.large]\nn_ctx = 1048576\n");
    let large = Shape { n_ctx: 1 << 20, ..Shape::tiny() };
    gguf::write_model(&large, &install.model("large")).expect("a model");
    let broker = Broker::start(install, &[]).expect("a broker");
    let worker = broker.load("tiny");
    let (name, message) = refused(&broker, &["run", "large", "x"]);
    assert_eq!(name, "MEMORY", "{message}");
    let numbers = message.split(|c: char| !c.is_ascii_digit());
    let numbers: Vec<u64> = numbers.filter_map(|number| number.parse().ok()).collect();
    assert!(numbers.contains(&256), "the budget in MiB: {message}");
    assert!(numbers.iter().any(|&mib| mib > 256), "what it takes: {message}");
    let large = told(&broker, "large");
    assert_eq!((&large["state"], &large["reason"]), (&"unloaded".into(), &Value::Null), "{large}");
    assert_eq!(broker.worker("tiny"), Some(worker), "the other one was disturbed");
    answers(&broker, "tiny");
    let status = broker.corectl(&["status"]).lines.remove(0);
    let memory = &status["memory"];
    assert_eq!(memory["budget_bytes"], 256 << 20);
    assert_eq!(memory["granted_bytes"], status["workers"][0]["memory_bytes"]);
    assert!(memory["held_bytes"].as_u64().is_some_and(|bytes| bytes >= 3 << 20), "the rings");
}

#[test]
fn a_directory_that_cannot_be_read_is_told_as_the_reason() {
    let broker = Broker::start(install(""), &[]).expect("a broker");
    let models = broker.install.root().join("models");
    assert_eq!(told(&broker, "tiny")["state"], "unloaded");
    fs::set_permissions(&models, fs::Permissions::from_mode(0o000)).expect("closed");
    let tiny = told(&broker, "tiny");
    let (name, message) = refused(&broker, &["run", "tiny", "x"]);
    let (other, why) = refused(&broker, &["run", "other", "x"]);
    fs::set_permissions(&models, fs::Permissions::from_mode(0o755)).expect("opened");
    assert_eq!((name.as_str(), other.as_str()), ("MODEL_UNREADABLE", "MODEL_UNREADABLE"));
    for text in [tiny["reason"].as_str().unwrap_or_default(), &message, &why] {
        assert!(text.contains("models/ has mode 0000"), "{text}");
        assert!(text.contains(&broker.install.uid.to_string()), "{text}");
    }
    answers(&broker, "tiny");
    assert_eq!(refused(&broker, &["run", "other", "x"]).0, "UNKNOWN_MODEL");
}

/// A look at so many names takes so long that the next one for an unknown name has to wait.
#[test]
fn a_file_that_has_just_come_is_found_however_long_the_last_look_took() {
    let install = install("");
    for n in 0..NAMES {
        fs::write(install.model(&format!("name-{n}")), "").expect("written");
    }
    let broker = Broker::start(install, &[]).expect("a broker");
    assert_eq!(refused(&broker, &["run", "new", "x"]).0, "UNKNOWN_MODEL");
    let tiny = broker.install.model("tiny");
    fs::rename(tiny, broker.install.model("new")).expect("renamed");
    answers(&broker, "new");
}

#[test]
fn the_tokenizer_of_a_model_is_the_one_that_core_toml_names() {
    let install = install("[models.tiny]\ntokenizer = \"words.gguf\"\n");
    gguf::write_model(&Shape::tiny(), &install.model("own")).expect("a model");
    let words = install.root().join("tokenizers/words.gguf");
    gguf::write_vocab(&Shape::tiny().with_vocab(VocabKind::Spm), &words).expect("a vocabulary");
    let broker = Broker::start(install, &[]).expect("a broker");
    let tokens = |model| broker.corectl(&["tokenize", model, "ab ba"]).lines[0]["tokens"].clone();
    assert_eq!(tokens("tiny"), tokens("words"));
    assert_ne!(tokens("tiny"), tokens("own"), "the vocabularies differ");
}
