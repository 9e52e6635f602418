//! What one step of a grammar may cost.

use std::time::{Duration, Instant};

use core_wire::client::params::Grammar;
use llama_cpp_2::token::LlamaToken;
use serde_json::{Map, Value, json};

use super::{Failed, lark, refused, schema, takes};
use crate::engine::{
    grammar::{Standing, patience::STEP_TIME_MAX},
    sampling::{Tools, tests::tools},
};

/// What a mask or a token may take on a machine with much else to do: without the limits, the
/// grammars here take seconds.
const LATE: Duration = STEP_TIME_MAX.saturating_mul(10);

const TOKENS: usize = 64;

/// Texts of any characters, read as one to `most` texts of any characters.
fn ambiguous(most: usize, before: &str) -> Grammar {
    let ways: Vec<String> = (2..=most).map(|parts| vec!["e"; parts].join(" ")).collect();
    let ways = ways.join(" | ");
    lark(&format!("start: {before} e\ne: {ways} | /(.|\\n)/ | \"\""))
}

/// Follows `grammar` for as many tokens as it goes, each the longest of some that it allows; says
/// how many these were and the longest time that a mask or a token took.
fn followed(tools: &Tools<'_>, grammar: &Grammar) -> (usize, Duration, Option<Failed>) {
    let mut constraint = tools.grammars.compile(grammar).unwrap();
    let mut slowest = Duration::ZERO;
    for done in 0..TOKENS {
        let began = Instant::now();
        let mask = constraint.mask();
        slowest = slowest.max(began.elapsed());
        let mask = match mask {
            Ok(mask) => mask,
            Err(failed) => return (done, slowest, Some(failed)),
        };
        let mut allowed = Vec::new();
        mask.iter_set_entries(|id| allowed.push(LlamaToken::new(i32::try_from(id).unwrap())));
        let some = allowed.iter().skip(done).step_by(1 + allowed.len() / 40);
        let length = |token: &&LlamaToken| {
            let mut piece = Vec::new();
            tools.model.vocab().token_to_piece_into(**token, &mut piece, false, None);
            piece.len()
        };
        let token = some.max_by_key(length).unwrap_or(&allowed[0]);
        let began = Instant::now();
        let standing = constraint.accept(*token);
        slowest = slowest.max(began.elapsed());
        match standing {
            Ok(Standing::Open) => {}
            Ok(_) => return (done + 1, slowest, None),
            Err(failed) => return (done, slowest, Some(failed)),
        }
    }
    (TOKENS, slowest, None)
}

#[test]
fn a_text_that_can_be_read_in_many_ways_ends_before_it_costs_much() {
    let tools = tools();
    for most in 2..=8 {
        let (done, slowest, failed) = followed(&tools, &ambiguous(most, ""));
        assert!(slowest < LATE, "{most}: {slowest:?} after {done}");
        assert!(failed.is_some() && done > 0, "{most} went on for {done}: {failed:?}");
    }
    assert!(refused(&ambiguous(9, "")).contains("too much at once"));
}

#[test]
fn what_comes_only_later_ends_as_early() {
    let tools = tools();
    for most in [9, 20, 40] {
        let (done, slowest, failed) = followed(&tools, &ambiguous(most, "/#/ /~/ /[a-z ]/"));
        assert!(slowest < LATE, "{most}: {slowest:?} after {done}");
        assert!(failed.is_some(), "{most} went on for {done}");
    }
    assert!(refused(&ambiguous(60, "/#/ /~/")).contains("at most 1000"));
}

#[test]
fn repetitions_of_repetitions_and_hundreds_of_objects_cost_little() {
    let tools = tools();
    let object = |i| {
        let name = format!("p{i}");
        json!({
            "type": "object",
            "properties": { &name: { "type": "integer" }, "other": { "type": "string" } },
            "required": [name],
        })
    };
    let objects: Vec<Value> = (0..500).map(object).collect();
    let nested = format!("{}a{}", "(".repeat(90), ")*".repeat(90));
    let members = |i| (format!("p{i}"), json!({ "type": ["string", "integer"] }));
    let members: Map<String, Value> = (0..300).map(members).collect();
    let goes_on = |grammar: &Grammar| matches!(grammar, Grammar::JsonSchema(_));
    for (name, grammar) in [
        ("(a*)*", Grammar::Regex("(a*)*".repeat(3000))),
        ("nested", Grammar::Regex(nested)),
        ("objects", schema(&json!({ "anyOf": objects }).to_string())),
        ("members", schema(&json!({ "type": "object", "properties": members }).to_string())),
    ] {
        let (done, slowest, failed) = followed(&tools, &grammar);
        assert!(slowest < LATE, "{name}: {slowest:?} after {done}");
        assert!((failed.is_none() || !goes_on(&grammar)) && done > 0, "{name} failed after {done}");
    }
}

#[test]
fn what_is_asked_for_in_earnest_is_far_from_the_limits() {
    let sums = lark("start: e\ne: e \"+\" e | e \"*\" e | \"(\" e \")\" | /[0-9]+/");
    assert!(takes(&sums, &("(12+3)*4+".repeat(12) + "7")));
    let list = Grammar::Gbnf("root ::= item+\nitem ::= \"- \" [^\\n]+ \"\\n\"".into());
    assert!(takes(&list, &"- a red kite and a blue ball\n".repeat(40)));
}
