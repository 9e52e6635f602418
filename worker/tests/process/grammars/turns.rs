//! Grammars that are compiled while somebody else is answered.

use core_wire::{
    client::{Prompt, params::Grammar},
    ids::JobId,
    worker::{JobKind, Sampling, ToBroker},
};
use serde_json::{Map, Value, json};

use super::{OPENING, drawn};
use crate::player::{Worker, greedy, model};

/// An object of many properties, which takes far longer to compile than a step of the model that
/// ships; another one for every `seed`.
fn dear(seed: u64) -> Grammar {
    let member = |i| (format!("p{i}_{seed}"), json!({ "type": "string", "maxLength": 20 }));
    let members: Map<String, Value> = (0..150).map(member).collect();
    Grammar::JsonSchema(json!({ "type": "object", "properties": members }).to_string())
}

/// Sends a request for each grammar beside a running answer; says how many of that answer's steps
/// came before each start, and how many of these there were while it ran.
fn steps_before_starts(worker: &mut Worker, grammars: Vec<Grammar>) -> Vec<usize> {
    let running = worker.generate("Once", greedy(400));
    while !matches!(worker.hear(), ToBroker::Step(_)) {}
    let send = |(seed, grammar)| {
        let sampling = Sampling { max_tokens: 1, ..drawn(grammar, seed, 1) };
        worker.send(JobKind::Generate(Box::new(sampling)), &Prompt::Text(OPENING.into()))
    };
    let jobs: Vec<JobId> = (0..).zip(grammars).map(send).collect();
    let (mut before, mut steps) = (Vec::new(), 0);
    loop {
        match worker.hear() {
            ToBroker::Started(started) => {
                assert!(jobs.contains(&started.job));
                before.push(std::mem::take(&mut steps));
            }
            ToBroker::Step(step) => {
                steps += usize::from(step.tokens.iter().any(|token| token.job == running));
                if step.ended.iter().any(|ended| ended.job == running) {
                    return before;
                }
            }
            other => panic!("not expected: {other:?}"),
        }
    }
}

#[test]
fn grammars_are_compiled_one_at_a_time_beside_an_answer() {
    let (mut worker, _) = Worker::ready(&model(), |plan| plan.slots = 8);
    // The tree of the vocabulary is made for the first.
    worker.complete(OPENING, drawn(Grammar::Regex("[a-z]+".into()), 1, 4));
    let before = steps_before_starts(&mut worker, (0..6).map(dear).collect());
    assert!(before.len() >= 2, "{before:?}");
    assert!(before[1..].iter().all(|&steps| steps > 0), "one after the other: {before:?}");
}

#[test]
fn whoever_comes_first_is_answered_before_the_next_grammar_is_compiled() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let send = |seed| {
        let kind = JobKind::Generate(Box::new(drawn(dear(seed), seed, 3)));
        worker.send(kind, &Prompt::Text(OPENING.into()))
    };
    let jobs: Vec<JobId> = (0..3).map(send).collect();
    let mut answered = Vec::new();
    loop {
        match worker.hear() {
            ToBroker::Step(step) => answered.extend(step.tokens.iter().map(|token| token.job)),
            ToBroker::Started(started) if started.job == jobs[1] => break,
            ToBroker::Started(started) => assert_eq!(started.job, jobs[0]),
            other => panic!("not expected: {other:?}"),
        }
    }
    assert!(answered.contains(&jobs[0]), "it has a token already");
}
