use core_policy::report::{How, Report, Row, layer};

use super::{Line, RECORD, exit, line, object};
use crate::startup::exit::Exit;

fn report(rows: impl IntoIterator<Item = Row>) -> Report {
    let mut report = Report::default();
    report.merge(rows);
    report
}

#[test]
fn only_what_is_required_decides() {
    let have = Row::yes(layer::SEALS, How::Probe, "");
    let lack = Row::no(layer::MSEAL, How::Probe, "");
    assert_eq!(exit(&report([have.clone(), lack])), Exit::Clean);
    let lack = Row::no(layer::LANDLOCK_FILESYSTEM, How::Probe, "");
    assert_eq!(exit(&report([have, lack])), Exit::Protection);
}

#[test]
fn a_row_is_an_object_or_a_line() {
    let row = Row::no(layer::NS_USER, How::Probe, "by sysctl");
    let expected = serde_json::json!({
        "name": "ns.user", "required": "wanted", "achieved": "no", "value": "by sysctl",
        "how": "probe", "record": "core-probe/1", "at_ms": 7, "kernel": "6.18",
    });
    let kept = object(&Line { record: RECORD, at_ms: 7, kernel: "6.18", row: &row });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&kept).unwrap(), expected);
    let words: Vec<String> = line(&row).split_whitespace().map(str::to_owned).collect();
    assert_eq!(words, ["ns.user", "wanted", "missing", "by", "sysctl"]);
}
