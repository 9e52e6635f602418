//! A prompt, end to end.

use core_tests::harness::{Broker, Output};

fn broker() -> Broker {
    Broker::with_story().expect("a broker on the model that ships")
}

fn run(broker: &Broker, more: &[&str]) -> Output {
    let output = broker.corectl(&[&["run", "story"], more].concat());
    assert_eq!(output.code, 0, "{output:?}\n{}", broker.log());
    output
}

#[test]
fn the_story_goes_on_as_it_must() {
    let broker = broker();
    for (prompt, answer) in [
        ("Mira gave the red kite to Tom. Now Tom has the", " red kite"),
        ("Tom gave the blue ball to Mira. Now Mira has the", " blue ball"),
    ] {
        let output = run(&broker, &[prompt, "--temp", "0", "-n", "6"]);
        assert!(output.text().starts_with(answer), "{prompt} -> {:?}", output.text());
    }
}

#[test]
fn the_stream_has_the_shape_of_the_contract() {
    let broker = broker();
    let output = run(&broker, &["Once upon a time", "-n", "12", "--ignore-eos", "--seed", "1"]);
    let done: Vec<_> = output.events("done").collect();
    assert_eq!(done.len(), 1, "{output:?}");
    assert_eq!(output.lines.last(), done.first().copied(), "the terminal line is the last");
    assert_eq!(done[0]["finish_reason"], "length");
    assert_eq!(done[0]["usage"]["completion_tokens"], 12);
    assert_eq!(output.tokens().len(), 12);
    let prompt = broker.corectl(&["tokenize", "story", "Once upon a time"]);
    let tokens = prompt.lines[0]["tokens"].as_array().expect("tokens").len();
    assert_eq!(done[0]["usage"]["prompt_tokens"], tokens);
    assert_eq!(done[0]["usage"]["cached_tokens"], 0);
    for timing in ["queue_ms", "prefill_ms", "decode_ms"] {
        assert!(done[0]["timings"][timing].as_f64().is_some_and(|ms| ms >= 0.0), "{timing}");
    }
}

#[test]
fn the_same_seed_gives_the_same_story_and_another_another() {
    let broker = broker();
    let story = |seed| {
        let arguments = ["Once upon a time", "-n", "40", "--temp", "1.2", "--seed", seed];
        run(&broker, &[&arguments[..], &["--ignore-eos"]].concat()).tokens()
    };
    let (one, again, other) = (story("11"), story("11"), story("12"));
    assert_eq!(one, again);
    assert_ne!(one, other);
}

#[test]
fn greedy_is_the_same_run_after_run() {
    let broker = broker();
    let arguments = ["Mira had a", "-n", "30", "--temp", "0", "--ignore-eos"];
    let first = run(&broker, &arguments).tokens();
    assert!((0..3).all(|_| run(&broker, &arguments).tokens() == first));
}

#[test]
fn tokens_and_text_are_two_ways_to_the_same_prompt() {
    let broker = broker();
    let text = "Mira gave the red kite to Tom.";
    let tokenized = broker.corectl(&["tokenize", "story", text]);
    let ids: Vec<String> = tokenized.lines[0]["tokens"]
        .as_array()
        .expect("tokens")
        .iter()
        .map(ToString::to_string)
        .collect();
    let from_text = run(&broker, &[text, "--temp", "0", "-n", "8"]);
    let from_ids = run(&broker, &["--tokens", &ids.join(","), "--temp", "0", "-n", "8"]);
    assert_eq!(from_text.tokens(), from_ids.tokens());
}

#[test]
fn a_text_survives_tokenize_and_detokenize() {
    let broker = broker();
    let text = "Tom saw a green boat \u{1F6A2} and an \u{e4}pple.";
    let tokenized = broker.corectl(&["tokenize", "story", "--plain", text]);
    let ids: Vec<String> = tokenized.lines[0]["tokens"]
        .as_array()
        .unwrap_or_else(|| panic!("no tokens: {tokenized:?}"))
        .iter()
        .map(ToString::to_string)
        .collect();
    let back = broker.corectl(&["detokenize", "story", &ids.join(",")]);
    assert_eq!(back.lines[0]["text"], text, "{back:?}");
}

#[test]
fn a_stop_string_ends_the_text_before_it() {
    let broker = broker();
    let prompt = "Mira gave the red kite to Tom. Now Tom has the";
    let free = run(&broker, &[prompt, "--temp", "0", "-n", "12", "--ignore-eos"]).text();
    let at = free.find("kite").expect("the kite is mentioned");
    let stop = run(&broker, &[prompt, "--temp", "0", "-n", "12", "--stop", "kite"]);
    assert_eq!(stop.text(), free[..at]);
    assert_eq!(stop.events("done").next().expect("done")["finish_reason"], "stop");
}

#[test]
fn a_prompt_comes_from_standard_input_too() {
    use std::io::Write;
    let broker = broker();
    let prompt = "Mira gave the red kite to Tom. Now Tom has the";
    let mut command = broker.corectl_command(&["run", "story", "--temp", "0", "-n", "4"]);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("corectl starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(prompt.as_bytes()).expect("corectl reads");
    drop(stdin);
    let output = child.wait_with_output().expect("corectl ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains(" red"), "{text}");
}

#[test]
fn many_prompts_run_at_once() {
    let broker = broker();
    broker.load("story");
    let alone = run(&broker, &["Tom had a", "--temp", "0", "-n", "20", "--ignore-eos"]).tokens();
    let commands: Vec<_> = (0..6)
        .map(|_| {
            let arguments =
                ["run", "story", "Tom had a", "--temp", "0", "-n", "20", "--ignore-eos"];
            broker.corectl_command(&arguments).stdout(std::process::Stdio::piped()).spawn()
        })
        .collect();
    for child in commands {
        let output = child.expect("starts").wait_with_output().expect("ends");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines = text.lines().filter(|line| line.contains("\"token\"")).count();
        assert_eq!(lines, alone.len(), "{text}");
    }
}

#[test]
fn status_models_and_audit_tell_what_runs() {
    let broker = broker();
    let worker = broker.load("story");
    let status = broker.corectl(&["status"]).lines.remove(0);
    assert_eq!(status["broker"]["pid"], broker.pid());
    assert_eq!(status["broker"]["uid"], broker.install.uid);
    let entry = &status["workers"][0];
    assert_eq!((&entry["pid"], &entry["state"]), (&worker.into(), &"ready".into()));
    assert_eq!(entry["sandbox"]["verified"], true);
    assert!(entry["sandbox"]["seccomp_serve"].as_u64().is_some_and(|n| (1..=20).contains(&n)));
    assert!(entry["sandbox"]["seccomp_load"].as_u64().is_some_and(|n| (1..=42).contains(&n)));
    let model = &status["models"][0];
    assert_eq!((&model["id"], &model["state"]), (&"story".into(), &"ready".into()));
    assert!(model["sha256"].as_str().is_some_and(|hash| hash.len() == 64));
    let audit = broker.corectl(&["audit"]);
    assert_eq!(audit.code, 0, "{audit:?}");
    assert_eq!(broker.corectl(&["unload", "story"]).code, 0);
    assert_eq!(broker.corectl(&["models"]).lines[0]["state"], "unloaded");
}
