//! `corectl run --detach` and `corectl attach`.

use serde_json::Value;

use super::{PROMPT, first_kept};
use crate::talk::story_with;

#[test]
fn corectl_leaves_a_run_and_reads_it_on() {
    let broker = story_with("");
    let whole = broker.corectl(&["run", "story", PROMPT, "-n", "60", "--temp", "0"]);
    let left = broker.corectl(&["run", "story", PROMPT, "-n", "60", "--temp", "0", "--detach"]);
    assert_eq!(left.code, 0, "{left:?}");
    let ticket = left.lines.last().expect("a line");
    assert_eq!((&ticket["event"], &ticket["keep_ms"]), (&"detached".into(), &60_000.into()));
    let ticket = ticket["ticket"].as_str().expect("a ticket");
    // A token may have come between the first one and the detach, so the start is asked for.
    let first = broker.corectl(&["attach", ticket, "--from", "0"]);
    let from = if first.code == 0 { 0 } else { first_kept(&first.lines[0].to_string()) };
    let rest = match from {
        0 => first,
        from => broker.corectl(&["attach", ticket, "--from", &from.to_string()]),
    };
    let expected = &ids(&whole.lines)[from..];
    assert_eq!(ids(&rest.lines), expected, "{:?}", rest.lines.last());
    assert_eq!(rest.lines.last().expect("an end")["event"], "done");
}

fn ids(lines: &[Value]) -> Vec<u64> {
    let tokens = lines.iter().filter(|line| line["event"] == "token");
    tokens.map(|line| line["id"].as_u64().expect("an id")).collect()
}
