//! What cannot be served is refused by name, within seconds, and disturbs nobody.

use std::time::{Duration, Instant};

use core_tests::{
    gguf::{self, Broken, Shape},
    harness::{Broker, Install},
};

/// The bound for a typed error.
const ERROR_MAX: Duration = Duration::from_secs(5);

fn refused(broker: &Broker, arguments: &[&str]) -> (String, String) {
    let start = Instant::now();
    let output = broker.corectl(arguments);
    assert!(start.elapsed() < ERROR_MAX, "{arguments:?} took {:?}", start.elapsed());
    assert_eq!(output.code, 1, "{arguments:?}: {output:?}\n{}", broker.log());
    let message = output.events("error").next().map(|line| line["message"].to_string());
    (output.error().to_owned(), message.unwrap_or_default())
}

#[test]
fn requests_are_refused_by_name() {
    let broker = Broker::with_story().expect("a broker");
    broker.load("story");
    let long = "word ".repeat(20_000);
    let cases: [(&[&str], &str, &str); 9] = [
        (&["run", "nosuch", "x"], "UNKNOWN_MODEL", "nosuch"),
        (&["run", "../story", "x"], "MODEL_PATH", ".."),
        (&["run", "/etc/passwd", "x"], "MODEL_PATH", "/"),
        (&["run", "story", &long], "PROMPT_TOO_LONG", ""),
        (&["run", "story", "--tokens", "4000000"], "BAD_TOKEN", "4000000"),
        (&["detokenize", "story", "4000000"], "BAD_TOKEN", "4000000"),
        (&["run", "story", "x", "--temp=-1"], "BAD_PARAMETER", "-1"),
        (&["run", "story", "x", "--temp", "NaN"], "BAD_PARAMETER", "NaN"),
        (&["run", "story", "x", "--top-p", "1.5"], "BAD_PARAMETER", "1.5"),
    ];
    for (arguments, name, mention) in cases {
        let (found, message) = refused(&broker, arguments);
        assert_eq!(found, name, "{message}");
        assert!(message.contains(mention), "{name} does not name {mention}: {message}");
    }
    assert_eq!(broker.corectl(&["run", "story", "Once", "-n", "3"]).code, 0);
}

#[test]
fn files_that_are_no_models_fail_alone() {
    let install = Install::new().expect("an installation");
    install.add_story().expect("the story");
    let broken = [("garbage", Broken::Garbage), ("short", Broken::Truncated)];
    for (id, kind) in broken {
        gguf::write_broken(kind, &install.model(id)).expect("a broken file");
    }
    gguf::write_vocab(&Shape::tiny(), &install.model("words")).expect("a vocabulary");
    std::fs::write(install.model("empty"), b"").expect("an empty file");
    let broker = Broker::start(install, &[]).expect("a broker");
    let worker = broker.load("story");
    for id in ["garbage", "short", "words", "empty"] {
        let (name, message) = refused(&broker, &["run", id, "x"]);
        assert_eq!(name, "MODEL_LOAD", "{id}: {message}");
        let model = broker.corectl(&["models"]);
        let entry = model.lines.iter().find(|line| line["id"] == id).expect("listed");
        assert_eq!(entry["state"], "failed", "{entry}");
        assert!(entry["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{entry}");
    }
    assert_eq!(broker.worker("story"), Some(worker), "the other worker was disturbed");
    assert_eq!(broker.corectl(&["run", "story", "Once", "-n", "3"]).code, 0);
}

#[test]
fn a_broken_model_does_not_hold_up_a_running_stream() {
    let install = Install::new().expect("an installation");
    install.add_story().expect("the story");
    gguf::write_broken(Broken::Garbage, &install.model("garbage")).expect("a broken file");
    let broker = Broker::start(install, &[]).expect("a broker");
    broker.load("story");
    let arguments = ["run", "story", "Once", "-n", "300", "--ignore-eos"];
    let running = broker.corectl_command(&arguments).stdout(std::process::Stdio::piped()).spawn();
    assert_eq!(refused(&broker, &["run", "garbage", "x"]).0, "MODEL_LOAD");
    let output = running.expect("starts").wait_with_output().expect("ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", text.lines().last().unwrap_or_default());
}

#[test]
fn links_and_devices_are_no_models() {
    let install = Install::new().expect("an installation");
    install.add_story().expect("the story");
    std::os::unix::fs::symlink(install.model("story"), install.model("link")).expect("a link");
    let broker = Broker::start(install, &[]).expect("a broker");
    let (name, message) = refused(&broker, &["run", "link", "x"]);
    assert_eq!(name, "MODEL_PATH", "{message}");
}
