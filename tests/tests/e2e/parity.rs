//! The same tokens as the bare engine: other architectures of vocabulary, other sizes.

use std::{path::Path, process::Command};

use core_tests::{
    gguf::{self, Shape, VocabKind},
    harness::{Broker, Install, install},
};
use serde_json::Value;

/// Tokens compared in each run.
const TOKENS: &str = "48";
/// Texts whose tokenization is compared with llama.cpp's own.
const TEXTS: [&str; 6] = [
    "Once upon a time",
    "  leading and  double spaces",
    "caf\u{e9} na\u{ef}ve \u{1F600} \u{4F60}\u{597D}",
    "12345 67.89 -1e9",
    "line one\nline two\r\n\ttabbed",
    "it's we'll THEY'VE",
];

fn bare(install: &Install, model: &Path, arguments: &[&str]) -> Value {
    let program = install.program("bare");
    let mut command = Command::new(&program);
    command.env_clear().envs(core_policy::env::worker_env(2)).arg(model).args(arguments);
    let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr))
    })
}

fn same_tokens(broker: &Broker, id: &str) {
    let model = broker.install.model(id);
    let prompt = ["--prompt", "Once upon a time", "-n", TOKENS, "--ctx", "512", "--threads", "2"];
    let expected = bare(&broker.install, &model, &prompt)["tokens"][0].clone();
    let arguments = ["run", id, "Once upon a time", "-n", TOKENS, "--temp", "0", "--ignore-eos"];
    for round in 0..2 {
        let output = broker.corectl(&arguments);
        assert_eq!(output.code, 0, "{id}: {output:?}\n{}", broker.log());
        assert_eq!(Value::from(output.tokens()), expected, "{id}, round {round}");
    }
}

fn same_tokenization(broker: &Broker, id: &str) {
    let model = broker.install.model(id);
    for text in TEXTS {
        for (own, theirs) in [(None, "both"), (Some("--plain"), "none")] {
            let expected = bare(&broker.install, &model, &["--prompt", text, "--tokenize", theirs]);
            let arguments: Vec<_> = ["tokenize", id].into_iter().chain(own).chain([text]).collect();
            let output = broker.corectl(&arguments);
            assert_eq!(output.lines[0]["tokens"], expected, "{id} {own:?} {text:?}");
        }
    }
}

#[test]
fn generated_models_of_every_vocabulary_agree() {
    let install = Install::new().expect("an installation");
    let kinds =
        [("gpt2", VocabKind::Gpt2Bpe), ("llama3", VocabKind::Llama3Bpe), ("spm", VocabKind::Spm)];
    for (id, vocab) in kinds {
        gguf::write_model(&Shape { vocab, ..Shape::tiny() }, &install.model(id)).expect("written");
    }
    install.add_story().expect("the story");
    install.add_bare().expect("the bare engine");
    let broker = Broker::start(install, &[]).expect("a broker");
    for id in ["gpt2", "llama3", "spm", "story"] {
        same_tokens(&broker, id);
        same_tokenization(&broker, id);
    }
}

#[test]
fn a_model_of_more_than_100_mb_agrees() {
    let install = Install::new().expect("an installation");
    let model = install.model("m164");
    gguf::write_model(&Shape::m164(), &model).expect("written");
    let bytes = std::fs::metadata(&model).expect("written").len();
    assert!(bytes > 100_000_000, "{bytes} bytes");
    install.add_bare().expect("the bare engine");
    let broker = Broker::start(install, &[]).expect("a broker");
    same_tokens(&broker, "m164");
}

/// The bare engine is built by `make test`; without it nothing here could be compared.
#[test]
fn the_bare_engine_is_there() {
    let program = install::release_dir().expect("a release directory").join("bare");
    assert!(program.exists(), "{} is missing; run `make test`", program.display());
}
