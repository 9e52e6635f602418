//! Grammars whose masks would hold up everybody, beside an answer that wants to go on.

use std::time::{Duration, Instant};

use core_wire::{
    client::{Prompt, params::Grammar},
    code::Code,
    ids::JobId,
    worker::{JobKind, ToBroker, ToWorker},
};
use serde_json::{Value, json};

use super::{OPENING, drawn};
use crate::player::{Worker, greedy, model};

/// What may pass between two tokens of the other answer: a compilation and ten times what a step
/// of a grammar may take, on a machine with other tests. Without limits it is seconds.
const GAP_MAX: Duration = Duration::from_millis(1000);

/// Tokens that the grammar is followed for.
const TOKENS: u32 = 64;

fn grammars() -> Vec<Grammar> {
    let ambiguous = |most| {
        let ways: Vec<String> = (2..=most).map(|parts| vec!["e"; parts].join(" ")).collect();
        let source = format!("start: e\ne: {} | /(.|\\n)/ | \"\"", ways.join(" | "));
        Grammar::Lark(source)
    };
    let object = |i| {
        let name = format!("p{i}");
        json!({ "type": "object", "properties": { &name: { "type": "null" } }, "required": [name] })
    };
    let objects: Vec<Value> = (0..500).map(object).collect();
    let mut all: Vec<Grammar> = (2..=9).map(ambiguous).collect();
    all.push(Grammar::Regex("(a*)*".repeat(3000)));
    all.push(Grammar::JsonSchema(json!({ "anyOf": objects }).to_string()));
    all
}

/// Whether the record ends `job`; a refusal does, if it is one that a grammar can meet.
fn ends(record: &ToBroker, job: JobId) -> bool {
    match record {
        ToBroker::Started(_) => false,
        ToBroker::Step(step) => step.ended.iter().any(|ended| ended.job == job),
        ToBroker::Refused(refused) => {
            let codes = [Code::GrammarFailed, Code::BadGrammar];
            assert!(refused.job == job && codes.contains(&refused.code), "{refused:?}");
            true
        }
        other => panic!("not expected: {other:?}"),
    }
}

/// Follows `grammar` beside another answer; says how many tokens of that one came meanwhile, and
/// the longest time between two of them.
fn beside(worker: &mut Worker, grammar: Grammar) -> (usize, Duration) {
    let other = worker.generate("Once", greedy(400));
    while !matches!(worker.hear(), ToBroker::Step(_)) {}
    let hostile = JobKind::Generate(Box::new(drawn(grammar, 1, TOKENS)));
    let job = worker.send(hostile, &Prompt::Text(OPENING.into()));
    let (mut last, mut longest, mut tokens, mut over) = (Instant::now(), Duration::ZERO, 0, false);
    // One more token of the other answer shows that it outlived this one.
    while !over || tokens == 0 {
        let record = worker.hear();
        over |= ends(&record, job);
        let ToBroker::Step(step) = record else { continue };
        if step.tokens.iter().any(|token| token.job == other) {
            longest = longest.max(last.elapsed());
            (last, tokens) = (Instant::now(), tokens + 1);
        }
    }
    worker.tell(&ToWorker::Cancel(other));
    while !ends(&worker.hear(), other) {}
    (tokens, longest)
}

#[test]
fn nobody_waits_for_a_grammar_that_can_be_read_in_many_ways() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    for (index, grammar) in grammars().into_iter().enumerate() {
        let (tokens, longest) = beside(&mut worker, grammar);
        assert!(longest < GAP_MAX, "{index}: {longest:?}");
        assert!(tokens > 0, "{index}: the other answer stood still");
    }
}
