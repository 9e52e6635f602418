//! Tokenizing without weights.

use std::{fs, time::Duration};

use core_tests::{
    gguf::{self, Broken, Shape},
    harness::{Broker, Install, processes},
};

fn models_of(broker: &Broker) -> Vec<String> {
    let status = broker.corectl(&["status"]).lines.remove(0);
    let workers = status["workers"].as_array().expect("workers").clone();
    workers.iter().filter_map(|worker| worker["model"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_model_is_not_loaded_to_tokenize() {
    let broker = Broker::with_story().expect("a broker");
    let text = "Once upon a time";
    let without = broker.corectl(&["tokenize", "story", text]);
    assert_eq!(without.code, 0, "{without:?}\n{}", broker.log());
    assert_eq!(models_of(&broker), ["story (vocabulary)"]);
    let state = broker.corectl(&["models"]).stdout;
    assert!(state.contains("unloaded"), "{state}");
    broker.load("story");
    let with = broker.corectl(&["tokenize", "story", text]);
    assert_eq!(with.lines[0]["tokens"], without.lines[0]["tokens"]);
    let audit = broker.corectl(&["audit"]);
    assert_eq!(audit.code, 0, "nothing required is missing: {}", audit.stdout);
}

#[test]
fn a_tokenizer_needs_no_model() {
    let install = Install::new().expect("an installation");
    install.add_story().expect("the story");
    let tokenizers = install.root().join("tokenizers");
    gguf::write_vocab(&Shape::tiny(), &tokenizers.join("words.gguf")).expect("a vocabulary");
    gguf::write_model(&Shape::tiny(), &install.model("tiny")).expect("the same with weights");
    std::os::unix::fs::symlink(install.model("story"), tokenizers.join("link.gguf"))
        .expect("a link");
    gguf::write_broken(Broken::Garbage, &tokenizers.join("garbage.gguf")).expect("a broken file");
    let broker = Broker::start(install, &[]).expect("a broker");
    let tokens = broker.corectl(&["tokenize", "words", "ab ba"]);
    assert_eq!(tokens.code, 0, "{tokens:?}\n{}", broker.log());
    let with = broker.corectl(&["tokenize", "tiny", "ab ba"]);
    assert_eq!(with.lines[0]["tokens"], tokens.lines[0]["tokens"], "{with:?}");
    let ids: Vec<_> = tokens.lines[0]["tokens"].as_array().expect("tokens").clone();
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let text = broker.corectl(&["detokenize", "words", &ids.join(",")]);
    assert_eq!(text.lines[0]["text"].as_str().map(str::trim), Some("ab ba"), "{text:?}");
    let models = broker.corectl(&["models"]).lines;
    assert!(models.iter().all(|model| model["id"] != "words"), "a tokenizer is no model");
    assert!(models.iter().all(|model| model["state"] == "unloaded"), "{models:?}");
    for (name, code) in [("link", "MODEL_PATH"), ("garbage", "MODEL_LOAD"), ("no", "UNKNOWN_MODEL")]
    {
        let output = broker.corectl(&["tokenize", name, "x"]);
        assert_eq!(output.error(), code, "{name}: {output:?}");
    }
    assert_eq!(broker.corectl(&["run", "words", "x"]).error(), "UNKNOWN_MODEL");
    assert_eq!(broker.corectl(&["tokenize", "../models/story", "x"]).error(), "MODEL_PATH");
}

#[test]
fn a_tokenizer_of_a_models_name_is_preferred_and_its_failure_is_not_the_models() {
    let install = Install::new().expect("an installation");
    install.add_story().expect("the story");
    let path = install.root().join("tokenizers/story.gguf");
    fs::write(&path, b"no model").expect("a broken file");
    let broker = Broker::start(install, &[]).expect("a broker");
    assert_eq!(broker.corectl(&["tokenize", "story", "x"]).error(), "MODEL_LOAD");
    assert_eq!(broker.corectl(&["run", "story", "Once", "-n", "2"]).code, 0);
    assert_eq!(broker.corectl(&["tokenize", "story", "x"]).code, 0, "its worker serves now");
}

#[test]
fn a_vocabulary_that_nobody_needs_is_given_back() {
    let broker = Broker::with_story().expect("a broker");
    assert_eq!(broker.corectl(&["tokenize", "story", "x"]).code, 0);
    assert_eq!(models_of(&broker).len(), 1);
    // It is kept for 30 s; more than twice that means it is kept for ever.
    let gone =
        processes::wait_for(Duration::from_secs(70), || broker.workers().is_empty().then_some(()));
    assert!(gone.is_some(), "{}", broker.log());
    assert_eq!(broker.corectl(&["tokenize", "story", "x"]).code, 0, "the next one gets another");
}
