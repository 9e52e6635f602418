//! The text, read back by a strict reader of what the specification allows here.

use std::collections::{BTreeMap, BTreeSet};

use core_wire::client::status::{SandboxStatus, TokenCounts};

use super::*;

/// A name that tries to end its label, its line and its text, and to reach a terminal.
const HOSTILE: &str = "a\"} 9\n# EOF\nb\\\u{1b}[2J\u{202e}é";

/// What was read.
#[derive(Debug, Default)]
struct Read {
    /// Type by family.
    types: BTreeMap<String, String>,
    /// Value by the whole name of a series, labels included, as it is written.
    samples: BTreeMap<String, String>,
}

/// Reads a text; panics at what the specification does not allow.
fn read(text: &str) -> Read {
    let body = text.strip_suffix("# EOF\n").expect("it ends with EOF");
    let mut read = Read::default();
    let mut family = String::new();
    let mut told = BTreeSet::new();
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (what, name) = (words.next().unwrap(), words.next().expect("a family"));
            let value = words.next().expect("a value").to_owned();
            assert!(told.insert((what.to_owned(), name.to_owned())), "{line}: said twice");
            match what {
                "TYPE" => {
                    assert!(read.types.insert(name.to_owned(), value).is_none(), "{name} twice");
                    family = name.to_owned();
                }
                "UNIT" => assert!(name.ends_with(&format!("_{value}")), "{line}"),
                "HELP" => assert!(value.ends_with('.'), "{line}"),
                _ => panic!("{line}"),
            }
            assert_eq!(name, family, "metadata of another family");
        } else {
            sample(line, &family, &mut read);
        }
    }
    read
}

fn sample(line: &str, family: &str, read: &mut Read) {
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let name = series.split('{').next().unwrap();
    let kind = read.types[family].as_str();
    let suffix = match kind {
        "counter" => "_total",
        "info" => "_info",
        "gauge" | "stateset" => "",
        other => panic!("{other} is not used here"),
    };
    assert_eq!(name, format!("{family}{suffix}"), "{line}");
    let labels = labels(series.strip_prefix(name).unwrap());
    let named: BTreeSet<_> = labels.iter().map(|(name, _)| name).collect();
    assert_eq!(named.len(), labels.len(), "{line}: a label twice");
    let number: f64 = value.parse().expect("a number");
    assert!(number >= 0.0 && number.is_finite(), "{line}");
    match kind {
        "info" => assert_eq!(value, "1", "{line}"),
        "stateset" => {
            assert!(labels.iter().any(|(name, _)| name == family), "{line}: no state");
            assert!(["0", "1"].contains(&value), "{line}");
        }
        _ => {}
    }
    assert!(read.samples.insert(series.into(), value.into()).is_none(), "{line}: twice");
}

/// The labels between braces, unescaped.
fn labels(text: &str) -> Vec<(String, String)> {
    let Some(inner) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) else {
        assert_eq!(text, "", "no labels");
        return Vec::new();
    };
    let (mut labels, mut rest) = (Vec::new(), inner);
    loop {
        let (name, quoted) = rest.split_once("=\"").expect("a label");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        let (value, after) = unquoted(quoted);
        labels.push((name.to_owned(), value));
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => {
                assert_eq!(after, "");
                return labels;
            }
        }
    }
}

/// A value up to its quotation mark, and what follows that.
fn unquoted(quoted: &str) -> (String, &str) {
    let (mut value, mut chars) = (String::new(), quoted.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.push(match chars.next().expect("something escaped").1 {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                other => panic!("{other:?} is escaped"),
            }),
            c => {
                assert!(!c.is_control(), "{c:?} is not escaped");
                value.push(c);
            }
        }
    }
    panic!("a value without an end: {quoted:?}");
}

/// A state with something in each list.
fn status(model: &str) -> Status {
    let tokens = TokenCounts { prompt: 7, cached: 3, generated: 40 };
    let sandbox = SandboxStatus { verified: true, ..SandboxStatus::default() };
    let worker = |pid, standby| WorkerStatus {
        pid,
        model: model.into(),
        state: WorkerState::Ready,
        tokens: 40,
        standby,
        profile: "cpu".into(),
        sandbox: sandbox.clone(),
        ..WorkerStatus::default()
    };
    let model = |id: &str| ModelStatus {
        id: id.into(),
        state: ModelState::Failed,
        reason: Some("a secret path".into()),
        restarts: 2,
        tokens,
        ..ModelStatus::default()
    };
    let device = DeviceStatus { name: "GPU 0".into(), total_bytes: 9, ..DeviceStatus::default() };
    let mut status = Status {
        workers: vec![worker(7, false), worker(8, true)],
        models: vec![model(&worker(7, false).model), model("other")],
        memory: MemoryStatus { devices: vec![device], ..MemoryStatus::default() },
        ..Status::default()
    };
    status.broker.uptime_ms = 61_005;
    status.deaths.killed = 3;
    status.queue.batch = 4;
    status.requests.quarantined = 1;
    status
}

#[test]
fn what_is_written_can_be_read() {
    let empty = read(&openmetrics(&Status::default()));
    let full = read(&openmetrics(&status("story")));
    assert_eq!(empty.types, full.types, "a family is there whether or not it has members");
    let expected = [
        ("core_build_info{version=\"\"}", "1"),
        ("core_uptime_seconds", "61.005"),
        ("core_requests_quarantined_total", "1"),
        ("core_queue_depth{class=\"batch\"}", "4"),
        ("core_worker_deaths_total{cause=\"killed\"}", "3"),
        ("core_worker_deaths_total{cause=\"load\"}", "0"),
        ("core_worker_tokens_total{pid=\"7\",model=\"story\"}", "40"),
        ("core_worker_verified{pid=\"8\",model=\"story\"}", "1"),
        ("core_model_state{model=\"story\",core_model_state=\"failed\"}", "1"),
        ("core_model_state{model=\"story\",core_model_state=\"ready\"}", "0"),
        ("core_model_restarts_total{model=\"other\"}", "2"),
        ("core_prompt_tokens_cached_total{model=\"story\"}", "3"),
        ("core_device_memory_total_bytes{device=\"GPU 0\"}", "9"),
    ];
    for (series, value) in expected {
        assert_eq!(full.samples.get(series).map(String::as_str), Some(value), "{series}");
    }
}

#[test]
fn no_family_takes_the_series_of_another() {
    let read = read(&openmetrics(&Status::default()));
    for name in read.types.keys() {
        assert!(name.starts_with("core_"), "{name}");
        for suffix in ["_total", "_info", "_created", "_count", "_sum", "_bucket"] {
            assert!(!name.ends_with(suffix), "{name}");
        }
    }
}

#[test]
fn names_cannot_leave_their_label() {
    let text = openmetrics(&status(HOSTILE));
    assert_eq!(text.matches("# EOF").count() - text.matches("\\n# EOF").count(), 1);
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "an escape passes");
    let read = read(&text);
    let series = read.samples.keys().find(|series| series.starts_with("core_prompt_tokens_total"));
    let series = series.expect("its tokens");
    let shown = labels(series.strip_prefix("core_prompt_tokens_total").unwrap());
    assert_eq!(shown, [("model".into(), "a\"} 9\n# EOF\nb\\\u{fffd}[2J\u{fffd}é".into())]);
}

#[test]
fn a_series_that_comes_twice_is_told_once() {
    let mut twice = status("story");
    twice.models.extend(twice.models.clone());
    twice.workers.extend(twice.workers.clone());
    assert_eq!(openmetrics(&twice), openmetrics(&status("story")));
}

#[test]
fn reasons_are_not_told() {
    assert!(!openmetrics(&status("story")).contains("secret"));
}
