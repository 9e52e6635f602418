//! Answers that have to be something, and grammars that want to be the worker's end.

mod cost;
mod hostile;
mod schema;
mod turns;

use std::time::{Duration, Instant};

use core_wire::{
    client::{Prompt, event::FinishReason, params::Grammar},
    code::Code,
    worker::{JobKind, Sampling, config::Load, job::EndOfGeneration},
};

use crate::player::{Answer, Worker, greedy, model};

const OPENING: &str = "Once upon a time";

/// How long a worker may look at a grammar: what the broker waits for a throwaway worker is no
/// less. Typical are some milliseconds.
const COMPILE_MAX: Duration = Duration::from_secs(2);

/// Schemas that the suite tries; the environment may ask for more.
const SCHEMAS: u64 = 30;

fn drawn(grammar: Grammar, seed: u64, max_tokens: u32) -> Sampling {
    Sampling {
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        seed,
        end: EndOfGeneration::Stops,
        grammar: Some(grammar),
        ..greedy(max_tokens)
    }
}

fn compile(worker: &mut Worker, grammar: &Grammar) -> Result<(), Code> {
    let began = Instant::now();
    let answer = worker.chunks(JobKind::Compile(grammar.clone()), &Prompt::Text(String::new()));
    let took = began.elapsed();
    assert!(took < COMPILE_MAX, "{grammar:?} took {took:?}");
    answer.map(|bytes| assert!(bytes.is_empty())).map_err(|refused| refused.code)
}

#[test]
fn what_a_schema_allows_always_parses() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let count = std::env::var("CORE_TEST_SCHEMAS").ok().and_then(|count| count.parse().ok());
    for seed in 0..count.unwrap_or(SCHEMAS) {
        let schema = schema::random(seed);
        let grammar = Grammar::JsonSchema(schema.to_string());
        let answer = worker.complete(OPENING, drawn(grammar, seed, 450));
        assert_eq!(answer.reason(), Some(FinishReason::Stop), "{seed} {schema}: {answer:?}");
        let value = serde_json::from_str(&answer.text).expect(&answer.text);
        assert!(schema::allows(&schema, &value), "{seed} {schema}: {value}");
    }
}

#[test]
fn an_answer_cut_short_is_the_beginning_of_one() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let grammar = Grammar::Regex("([0-9]{3}-)+end".into());
    let answer = worker.complete(OPENING, drawn(grammar, 1, 5));
    assert_eq!(answer.reason(), Some(FinishReason::Length));
    assert!(answer.text.chars().all(|c| c.is_ascii_digit() || "-end".contains(c)));
}

/// The answer to a grammar, which ends it and nothing else does.
fn ended(worker: &mut Worker, grammar: Grammar, seed: u64) -> Answer {
    let on = Sampling { end: EndOfGeneration::IsAToken, ..drawn(grammar.clone(), seed, 200) };
    let answer = worker.complete(OPENING, on);
    assert_eq!(answer.reason(), Some(FinishReason::Stop), "{grammar:?}: {answer:?}");
    let greedy = Sampling { temperature: 0.0, ..drawn(grammar, seed, 200) };
    assert!(worker.complete(OPENING, greedy).refused.is_none());
    answer
}

#[test]
fn a_regular_expression_holds() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    for seed in 0..5 {
        let grammar = Grammar::Regex("(19|20)[0-9]{2}-(0[1-9]|1[0-2])".into());
        let text = ended(&mut worker, grammar, seed).text;
        let (year, month) = text.split_once('-').expect(&text);
        assert!((1900..=2099).contains(&year.parse::<u32>().unwrap()), "{text}");
        assert!(month.len() == 2 && (1..=12).contains(&month.parse::<u32>().unwrap()), "{text}");
    }
}

/// Pairs of a word and a digit or a pair, as the two grammars of the test say.
fn is_pairs(text: &str) -> bool {
    let value = |mut text: &str| {
        while let Some(inner) = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
            text = inner.split_once('=').map_or("", |(_, inner)| inner);
        }
        text.len() == 1 && text.chars().all(|c| c.is_ascii_digit())
    };
    let pair = |text: &str| text.split_once('=').is_some_and(|(_, rest)| value(rest));
    text.strip_suffix('.').is_some_and(|pairs| pairs.split(", ").all(pair))
}

#[test]
fn lark_and_what_is_translated_to_it_hold() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let lark = "start: pair (\", \" pair){0,3} \".\"\n\
                pair: WORD \"=\" (/[0-9]/ | \"(\" pair \")\")\n\
                WORD: /[a-z]{2,5}/";
    let gbnf = "root ::= pair (\", \" pair){0,3} \".\"\n\
                pair ::= word \"=\" ([0-9] | \"(\" pair \")\")\n\
                word ::= [a-z]{2,5}";
    let grammars = [Grammar::Lark(lark.into()), Grammar::Gbnf(gbnf.into())];
    for grammar in &grammars {
        let answers =
            (0..8).map(|seed| worker.complete(OPENING, drawn(grammar.clone(), seed, 300)));
        let answers: Vec<Answer> = answers.collect();
        let stopped = answers.iter().filter(|a| a.reason() == Some(FinishReason::Stop));
        let texts: Vec<&str> = stopped.map(|answer| answer.text.as_str()).collect();
        assert!(texts.len() > 3, "{answers:?}");
        assert!(texts.iter().all(|text| is_pairs(text)), "{texts:?}");
        assert!(answers.iter().all(|answer| answer.refused.is_none()));
    }
}

#[test]
fn an_answer_that_may_be_empty_can_be() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let answer = ended(&mut worker, Grammar::Lark("start: \"\"".into()), 1);
    assert!(answer.text.is_empty() && answer.tokens.is_empty(), "{answer:?}");
}

#[test]
fn a_grammar_and_a_stop_string_both_end_an_answer() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let sampling = drawn(Grammar::Regex("(red|blue) kite in a box".into()), 3, 100);
    let stop = vec![" kite".to_owned()];
    let answer = worker.complete(OPENING, Sampling { stop, ..sampling.clone() });
    assert!(["red", "blue"].contains(&answer.text.as_str()), "{}", answer.text);
    let whole = worker.complete(OPENING, sampling).text;
    assert!(whole.ends_with(" kite in a box"), "{whole}");
}

#[test]
fn hostile_grammars_crash_nothing() {
    let (mut throwaway, _) = Worker::ready(&model(), |plan| plan.load = Load::Vocabulary);
    let (mut serving, _) = Worker::ready(&model(), |_| {});
    let (mut compiled, mut refused) = (0, 0);
    for grammar in hostile::all() {
        match compile(&mut throwaway, &grammar) {
            Ok(()) => compiled += 1,
            Err(code) => {
                assert_eq!(code, Code::BadGrammar, "{grammar:?}");
                refused += 1;
                continue;
            }
        }
        let began = Instant::now();
        let answer = serving.complete(OPENING, drawn(grammar.clone(), 1, 12));
        let code = answer.refused.map(|refused| refused.code);
        assert!([None, Some(Code::GrammarFailed)].contains(&code), "{grammar:?}: {code:?}");
        assert!(began.elapsed() < 2 * COMPILE_MAX, "{grammar:?} took {:?}", began.elapsed());
    }
    assert!(compiled + refused >= 200 && compiled > 40, "{compiled} compiled, {refused} refused");
    let usual = Grammar::Regex("[a-z]+".into());
    assert_eq!(compile(&mut throwaway, &usual), Ok(()));
    assert_eq!(compile(&mut serving, &usual), Ok(()), "a full worker compiles as well");
    assert_eq!(serving.complete(OPENING, greedy(4)).tokens.len(), 4);
}
