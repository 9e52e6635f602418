//! Style as an ordinary test: every rule reads the whole repository, and every rule has a sample
//! that it must refuse and one that it must accept, so that none can fall asleep.
#![forbid(unsafe_code)]

mod bodies;
mod layout;
mod safety;
mod seccomp;
mod text;
mod tree;

use tree::Source;

/// A rule: what it objects to in one file, each objection naming the line.
type Rule = fn(&Source) -> Vec<String>;

/// Applies `rule` to every file that ends in one of `endings` and reports all objections at once.
fn hold(rule: Rule, endings: &[&str]) {
    let sources: Vec<Source> = tree::sources(endings);
    assert!(!sources.is_empty(), "no file ends in {endings:?}: the walk is broken");
    let objections: Vec<String> = sources.iter().flat_map(rule).collect();
    assert!(objections.is_empty(), "{}:\n{}", objections.len(), objections.join("\n"));
}

/// Asserts that `rule` accepts `good` and objects to `bad` exactly once.
fn sample(rule: Rule, path: &str, good: &str, bad: &str) {
    assert_eq!(rule(&Source::new(path, good)), Vec::<String>::new(), "refuses the good sample");
    let objections = rule(&Source::new(path, bad));
    assert_eq!(objections.len(), 1, "objections to the bad sample: {objections:?}");
}
