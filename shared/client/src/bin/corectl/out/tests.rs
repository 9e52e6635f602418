//! Lines of JSON, tables, and text that is not obeyed.

use core_client::{
    Choice, Code, ContextInfo, Done, Event, FinishReason, ModelInfo, Refusal, RequestError, Status,
    Timings, Usage,
    wire::client::deaths::{DeathCause, DeathCounts},
};
use serde_json::{Value, json};

use super::{
    clean,
    json::{Completions, Line},
    style::Style,
    table::{Cell, Table, bytes, count},
};

fn value(line: Option<Line<'_>>) -> Value {
    serde_json::to_value(line.expect("an event of a stream")).unwrap()
}

fn of(event: &Event) -> Option<Line<'_>> {
    Line::of(event, Completions::One)
}

#[test]
fn events_have_the_fields_of_the_contract() {
    let queued = Event::Queued { position: 4, wait_ms: None };
    assert_eq!(value(of(&queued)), json!({"event": "queued", "position": 4}));
    let progress = Event::Progress { fraction: 0.25 };
    assert_eq!(value(of(&progress)), json!({"event": "progress", "fraction": 0.25}));
    let token = |logprob| Event::Token { id: 3, text: "a".into(), logprob, choice: 0, top: vec![] };
    let plain = json!({"event": "token", "id": 3, "text": "a"});
    assert_eq!(value(of(&token(None))), plain);
    let known = json!({"event": "token", "id": 3, "text": "a", "logprob": -1.5});
    assert_eq!(value(of(&token(Some(-1.5)))), known);
    let loaded = value(of(&Event::Loaded(ModelInfo::default())));
    assert_eq!(loaded["event"], "loaded");
    assert_eq!(loaded["state"], "unloaded");
    assert!(of(&Event::Text("x".into())).is_none());
    let context = Event::Context(ContextInfo { tokens: 3, bytes: 40 });
    assert_eq!(value(of(&context)), json!({"event": "context", "tokens": 3, "bytes": 40}));
}

#[test]
fn what_is_asked_for_has_its_fields() {
    let queued = Event::Queued { position: 4, wait_ms: Some(250) };
    let expected = json!({"event": "queued", "position": 4, "wait_ms": 250});
    assert_eq!(value(of(&queued)), expected);
    let (top, logprob) = (vec![(3, -0.5), (9, -1.5)], Some(-0.5));
    let token = Event::Token { id: 3, text: "a".into(), logprob, choice: 1, top };
    let mut expected = json!({"event": "token", "id": 3, "text": "a", "logprob": -0.5,
        "top": [{"id": 3, "logprob": -0.5}, {"id": 9, "logprob": -1.5}]});
    assert_eq!(value(of(&token)), expected);
    expected["choice"] = 1.into();
    assert_eq!(value(Line::of(&token, Completions::Several)), expected);
    let (finish_reason, usage) = (FinishReason::Length, Usage::default());
    let choice = Event::Choice(Choice { index: 1, finish_reason, usage });
    let expected = json!({"event": "choice", "index": 1, "finish_reason": "length",
        "usage": {"prompt_tokens": 0, "cached_tokens": 0, "completion_tokens": 0}});
    assert_eq!(value(of(&choice)), expected);
}

#[test]
fn ends_have_the_fields_of_the_contract() {
    let done = Done {
        finish_reason: Some(FinishReason::Stop),
        usage: Usage::default(),
        timings: Timings::default(),
    };
    let expected = json!({
        "event": "done",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 0, "cached_tokens": 0, "completion_tokens": 0},
        "timings": {"queue_ms": 0.0, "prefill_ms": 0.0, "decode_ms": 0.0},
    });
    assert_eq!(value(of(&Event::Done(done))), expected);
    assert_eq!(value(Some(Line::obeyed())), json!({"event": "done"}));
    let refused = RequestError::Refused(Refusal::new(Code::UnknownModel, "no"));
    let expected = json!({"event": "error", "code": 10, "name": "UNKNOWN_MODEL", "message": "no"});
    assert_eq!(value(Some(Line::error(&refused))), expected);
    let later = RequestError::Refused(Refusal::new(Code::Draining, "no").after(5));
    assert_eq!(value(Some(Line::error(&later)))["retry_after_ms"], 5);
}

/// The fields of `status --json`, as the contract lists them.
const STATUS: [&str; 32] = [
    "/broker/pid",
    "/broker/uid",
    "/broker/version",
    "/broker/uptime_ms",
    "/broker/rss_bytes",
    "/workers/0/pid",
    "/workers/0/model",
    "/workers/0/state",
    "/workers/0/slots",
    "/workers/0/active",
    "/workers/0/sandbox/landlock_abi",
    "/workers/0/sandbox/seccomp_load",
    "/workers/0/sandbox/seccomp_serve",
    "/workers/0/sandbox/filter_sha256",
    "/workers/0/sandbox/degraded",
    "/workers/0/sandbox/verified",
    "/workers/0/restarts",
    "/workers/0/rss_bytes",
    "/models/0/id",
    "/models/0/state",
    "/models/0/sha256",
    "/models/0/size_bytes",
    "/models/0/n_ctx",
    "/queue/depth",
    "/queue/interactive",
    "/queue/normal",
    "/queue/batch",
    "/sessions",
    "/requests/done",
    "/requests/failed",
    "/requests/cancelled",
    "/requests/resumed",
];

#[test]
fn status_has_the_fields_of_the_contract() {
    let mut status = Status::default();
    status.workers.push(Default::default());
    status.models.push(Default::default());
    let status = serde_json::to_value(status).unwrap();
    for path in STATUS {
        assert!(status.pointer(path).is_some(), "{path} is missing");
    }
}

#[test]
fn causes_of_death_have_one_name_each() {
    let mut counts = DeathCounts::default();
    for (n, &cause) in DeathCause::ALL.iter().enumerate() {
        assert_eq!(serde_json::to_value(cause).unwrap(), cause.name());
        (0..=n).for_each(|_| counts.add(cause));
    }
    let told = serde_json::to_value(counts).unwrap();
    assert_eq!(told.as_object().map(serde_json::Map::len), Some(DeathCause::ALL.len()));
    for (n, &cause) in (1..).zip(DeathCause::ALL) {
        assert_eq!((counts.of(cause), &told[cause.name()]), (n, &json!(n)));
    }
}

#[test]
fn nothing_of_a_model_is_obeyed_by_a_terminal() {
    let hostile = "a\x1b]0;title\x07b\r\nc\td\u{9b}31m\x7f\u{202e}gpj";
    let shown = "a\u{241b}]0;title\u{2407}b\u{240d}\nc\td\u{fffd}31m\u{2421}\u{fffd}gpj";
    assert_eq!(clean::text(hostile), shown);
    assert_eq!(clean::line("a\nb\tc"), "a\u{240a}b\u{2409}c");
    let ordinary = "ß 漢字 😀 é\u{200f}";
    assert_eq!(clean::text(ordinary), ordinary);
    for c in (0..0xa0_u32).filter_map(char::from_u32).filter(|c| c.is_control()) {
        let line = clean::line(&c.to_string());
        assert!(!line.chars().any(char::is_control), "{c:?} passes");
    }
}

#[test]
fn columns_line_up_and_colour_does_not_move_them() {
    let table = || {
        let mut table = Table::new(&["NAME", "N", "STATE"]);
        table.row([Cell::text("a"), Cell::number(5), Cell::good("ok")]);
        table.row([Cell::text("long name\n"), Cell::number(123), Cell::bad("")]);
        table
    };
    let plain = table().show(1, Style::Plain);
    let expected = " NAME          N  STATE\n a             5  ok\n long name\u{240a}  123\n";
    assert_eq!(plain, expected);
    let coloured = table().show(1, Style::Colour);
    assert!(coloured.contains("\x1b["));
    let stripped = anstream::adapter::strip_str(&coloured).to_string();
    let trimmed: String = stripped.lines().map(|l| format!("{}\n", l.trim_end())).collect();
    assert_eq!(trimmed, plain);
}

#[test]
fn numbers_for_people_have_three_digits() {
    let sizes = [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (150 << 20, "150 MiB"),
        (5 << 40, "5.0 TiB"),
        (u64::MAX, "16777216 TiB"),
    ];
    for (n, expected) in sizes {
        assert_eq!(bytes(n), expected);
    }
    assert_eq!(count(999), "999");
    assert_eq!(count(1_100_000_000), "1.1 G");
}
