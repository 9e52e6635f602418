//! What people see.

use core_client::{
    AuditProcess, AuditRow, ContextInfo, Done, FinishReason, ModelInfo, ModelState, Status,
    Timings, Usage, wire::client::status::WorkerStatus,
};

use super::{
    audit,
    chat::Said,
    contexts::sentence,
    detach,
    generate::{End, summary},
    status::{duration, page},
    status_line::waiting,
};
use crate::{
    failure::{Exit, Failure},
    out::style::Style,
};

fn done(reason: FinishReason, tokens: u32, decode_ms: f64) -> Done {
    Done {
        finish_reason: Some(reason),
        usage: Usage { prompt_tokens: 9, cached_tokens: 4, completion_tokens: tokens },
        timings: Timings { queue_ms: 1.2, prefill_ms: 30.4, decode_ms },
    }
}

#[test]
fn a_summary_has_a_rate_only_where_there_is_one() {
    let line = summary(&done(FinishReason::Stop, 11, 500.0));
    let expected = "[stop: 11 tokens, 20.0 tok/s; prompt 9 tokens, 4 cached; queue 1 ms, \
                    prefill 30 ms]";
    assert_eq!(line, expected);
    for (tokens, decode_ms) in [(0, 5.0), (1, 5.0), (5, 0.0), (5, f64::NAN)] {
        let line = summary(&done(FinishReason::Length, tokens, decode_ms));
        assert!(!line.contains("tok/s"), "{line}");
    }
}

#[test]
fn only_a_cancelled_request_is_exit_code_2() {
    let exit = |reason| End::Done(done(reason, 1, 1.0)).exit();
    assert_eq!(exit(FinishReason::Cancelled), Exit::Cancelled);
    assert_eq!(exit(FinishReason::Stop), Exit::Done);
    assert_eq!(exit(FinishReason::Length), Exit::Done);
    let failed = ModelInfo { state: ModelState::Ready, ..ModelInfo::default() };
    assert_eq!(End::Loaded(failed).exit(), Exit::Done);
}

#[test]
fn times_have_two_units() {
    let cases = [
        (999, "0 s"),
        (59_999, "59 s"),
        (61_000, "1 min 1 s"),
        (3_661_000, "1 h 1 min"),
        (90_000_000, "1 d 1 h"),
    ];
    for (ms, expected) in cases {
        assert_eq!(duration(ms), expected);
    }
}

#[test]
fn an_empty_status_is_a_page_too() {
    let empty = page(&Status::default(), 0, Style::Plain);
    assert!(empty.contains("Workers: none\nModels: none\n"), "{empty}");
    let worker = WorkerStatus { model: "evil\u{1b}[2J".into(), ..WorkerStatus::default() };
    let status = Status { workers: vec![worker], ..Status::default() };
    let page = page(&status, 0, Style::Plain);
    assert!(page.contains("evil\u{241b}[2J"), "{page}");
    assert!(!page.contains('\u{1b}'), "an escape reached the terminal");
}

#[test]
fn an_audit_tells_missing_from_degraded_in_words() {
    let row = |required, achieved| AuditRow {
        name: "landlock.fs".into(),
        required,
        achieved,
        value: "ABI 7".into(),
        ..AuditRow::default()
    };
    let process =
        |rows: Vec<AuditRow>| AuditProcess { pid: 4, role: "broker".into(), model: None, rows };
    let mixed = process(vec![row(true, true), row(true, false), row(false, false)]);
    let page = audit::page(&mixed, Style::Plain);
    for words in ["✓ holds", "✗ missing", "! degraded", "required", "wanted", "broker 4\n"] {
        assert!(page.contains(words), "{words} in {page}");
    }
    assert_eq!(audit::exit(&[mixed]), Exit::Failed);
    let degraded = process(vec![row(true, true), row(false, false)]);
    assert_eq!(audit::exit(std::slice::from_ref(&degraded)), Exit::Done);
    assert_eq!(audit::exit(&[degraded, process(Vec::new())]), Exit::Failed);
    assert_eq!(audit::exit(&[]), Exit::Failed);
}

/// What a compliance tool keeps: these names and kinds of value stay.
#[test]
fn an_audit_is_a_record() {
    let row = |required, achieved| AuditRow {
        name: "seccomp.serve".into(),
        required,
        achieved,
        value: "2 of 2 threads".into(),
        verified: "outside at READY".into(),
        verified_at_ms: 1_700_000_000_000,
    };
    let told = |rows: Vec<AuditRow>| {
        let model = Some("story".to_owned());
        let process = AuditProcess { pid: 4, role: "worker".into(), model, rows };
        serde_json::to_value(audit::Line::of(&process)).unwrap()
    };
    let expected = serde_json::json!({
        "record": "core-audit/1", "complete": true,
        "pid": 4, "role": "worker", "model": "story",
        "rows": [{
            "name": "seccomp.serve", "required": true, "achieved": true,
            "value": "2 of 2 threads", "verified": "outside at READY",
            "verified_at_ms": 1_700_000_000_000_u64,
        }],
    });
    assert_eq!(told(vec![row(true, true)]), expected);
    assert_eq!(told(vec![row(true, true), row(false, false)])["complete"], true);
    assert_eq!(told(vec![row(true, true), row(true, false)])["complete"], false);
    assert_eq!(told(Vec::new())["complete"], false);
}

#[test]
fn a_wait_is_told_in_units_that_fit_it() {
    let cases = [
        (3, None, "3 in front"),
        (0, Some(1), "0 in front, about 1 s"),
        (3, Some(3_200), "3 in front, about 4 s"),
        (3, Some(119_000), "3 in front, about 119 s"),
        (3, Some(119_001), "3 in front, about 2 min"),
        (900, Some(u32::MAX), "900 in front, about 71583 min"),
    ];
    for (position, wait_ms, expected) in cases {
        assert_eq!(waiting(position, wait_ms), expected);
    }
}

#[test]
fn a_ticket_is_read_as_it_was_written() {
    let ticket =
        core_client::DetachTicket([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 254, 255]);
    assert_eq!(detach::read(&detach::written(ticket)).expect("a ticket"), ticket);
    for bad in ["", "00", "+0000000000000000000000000000001", &"g".repeat(32), &"0".repeat(33)] {
        assert!(matches!(detach::read(bad), Err(Failure::Usage(_))), "{bad}");
    }
}

#[test]
fn a_line_of_a_chat_is_a_message_unless_it_is_a_whole_command() {
    let said = |line: &str| Said::from(line.to_owned());
    assert_eq!((said(""), said("/quit"), said("/new")), (Said::Nothing, Said::Quit, Said::New));
    assert_eq!(said("/save a.b"), Said::Save("a.b".into()));
    assert_eq!(said("/restore a"), Said::Restore("a".into()));
    for message in ["/save", "/save a b", "save a", "/restored a", "/quit now", " x "] {
        assert_eq!(said(message), Said::Message(message.into()));
    }
}

#[test]
fn a_context_is_told_with_its_size_where_it_has_a_file() {
    let told = |bytes| sentence("saved", ContextInfo { tokens: 12, bytes });
    assert_eq!(told(0), "[saved: 12 tokens]");
    assert!(told(3 << 20).starts_with("[saved: 12 tokens, 3"), "{}", told(3 << 20));
}
