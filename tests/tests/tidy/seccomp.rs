//! Every rule of every filter says why it is there.

use serde_json::Value;

use crate::sample;
use crate::tree::{Source, sources};

/// A reason of fewer characters cannot be one.
const REASON_CHARS_MIN: usize = 8;

fn reasoned(source: &Source) -> Vec<String> {
    let filter: Value = serde_json::from_str(&source.text)
        .unwrap_or_else(|error| panic!("{}: {error}", source.path));
    let mut bare = Vec::new();
    collect(&filter, &mut bare);
    bare.iter().map(|name| source.object(1, &format!("{name} has no reason"))).collect()
}

/// Finds the rules, which are the objects that name a syscall, however deep they lie.
fn collect(value: &Value, bare: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|inner| collect(inner, bare)),
        Value::Object(fields) => {
            let reason = fields.get("reason").and_then(Value::as_str).unwrap_or_default();
            let short = reason.trim().chars().count() < REASON_CHARS_MIN;
            let name = fields.get("syscall").filter(|_| short);
            bare.extend(name.map(Value::to_string));
            fields.values().for_each(|inner| collect(inner, bare));
        }
        _ => {}
    }
}

#[test]
fn every_seccomp_rule_has_a_reason() {
    let files = sources(&[".json"]);
    let filters = files.iter().filter(|file| file.path.starts_with("policy/seccomp/"));
    let objections: Vec<String> = filters.clone().flat_map(reasoned).collect();
    assert!(objections.is_empty(), "{}", objections.join("\n"));
    let rules: usize = filters.map(|file| file.text.matches("\"syscall\"").count()).sum();
    assert!(rules > 20, "only {rules} rules found: the walk is broken");
    let good = r#"{"allow": [{"syscall": "futex", "reason": "locks and the bell"}]}"#;
    sample(reasoned, "policy/seccomp/a.json", good, &good.replace("locks and the bell", " "));
    sample(reasoned, "policy/seccomp/a.json", good, r#"{"errno": [{"syscall": "clone3"}]}"#);
}
