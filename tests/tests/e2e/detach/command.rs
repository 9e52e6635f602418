//! `corectl run --detach` and `corectl attach`.

use serde_json::Value;

use super::PROMPT;
use crate::talk::story_with;

#[test]
fn corectl_leaves_a_run_and_reads_it_on() {
    let broker = story_with("");
    let whole = broker.corectl(&["run", "story", PROMPT, "-n", "60", "--temp", "0"]);
    let left = broker.corectl(&["run", "story", PROMPT, "-n", "60", "--temp", "0", "--detach"]);
    assert_eq!(left.code, 0, "{left:?}");
    let ticket = left.lines.last().expect("a line");
    assert_eq!((&ticket["event"], &ticket["keep_ms"]), (&"detached".into(), &60_000.into()));
    let told = ids(&left.lines);
    assert_eq!(ticket["first"], told.len(), "it has printed all that is not kept");
    let (ticket, from) = (ticket["ticket"].as_str().expect("a ticket"), told.len().to_string());
    let early = broker.corectl(&["attach", ticket, "--from", "0"]);
    assert_eq!(early.lines[0]["name"], "BAD_PARAMETER", "the first one was told: {early:?}");
    let rest = broker.corectl(&["attach", ticket, "--from", &from]);
    let all: Vec<_> = told.into_iter().chain(ids(&rest.lines)).collect();
    assert_eq!(all, ids(&whole.lines), "{:?}", rest.lines.last());
    assert_eq!(rest.lines.last().expect("an end")["event"], "done");
}

#[test]
fn corectl_loses_nothing_of_a_run_that_is_over_before_it_can_leave_it() {
    let broker = story_with("");
    let whole = broker.corectl(&["run", "story", PROMPT, "-n", "1", "--temp", "0"]);
    for _ in 0..5 {
        let left = broker.corectl(&["run", "story", PROMPT, "-n", "1", "--temp", "0", "--detach"]);
        assert_eq!(left.code, 0, "{left:?}");
        assert_eq!(ids(&left.lines), ids(&whole.lines));
        assert_eq!(left.lines.last().expect("an end")["event"], "done");
    }
}

fn ids(lines: &[Value]) -> Vec<u64> {
    let tokens = lines.iter().filter(|line| line["event"] == "token");
    tokens.map(|line| line["id"].as_u64().expect("an id")).collect()
}
