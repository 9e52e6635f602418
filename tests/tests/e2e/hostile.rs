//! Parameters, prompts and grammars that nobody should send: each is refused by name, at once, and
//! nobody else notices.

use std::time::{Duration, Instant};

use core_client::{Client, Generate, Grammar, Params, Prompt};
use core_tests::harness::Broker;

use crate::talk::{ask, broker_with, connect, greedy, hear, talk};

/// The issue's bound for a refusal.
const REFUSED_MAX: Duration = Duration::from_millis(100);
/// Tries of which the fastest counts: the machine may be busy with something else.
const TRIES: usize = 3;
/// The bound for a grammar that has to be compiled to see what is wrong with it: what the broker
/// gives a compiling worker, and its start.
const COMPILED_MAX: Duration = Duration::from_secs(6);
/// Tokens of the stream that must not notice.
const BESIDE: u32 = 2500;
/// A pause that somebody who reads along would call one.
const PAUSE_MAX: Duration = Duration::from_secs(1);

type Change = fn(&mut Params);

/// What is sent, with the code and a part of the sentence that must come back.
const PARAMETERS: [(Change, &str, &str); 33] = [
    (|p| p.temperature = f32::NAN, "BAD_PARAMETER", "temperature is NaN"),
    (|p| p.temperature = f32::INFINITY, "BAD_PARAMETER", "temperature is inf"),
    (|p| p.temperature = -1.0, "BAD_PARAMETER", "temperature is -1"),
    (|p| p.temperature = f32::MAX, "BAD_PARAMETER", "temperature is"),
    (|p| p.max_tokens = 0, "BAD_PARAMETER", "max_tokens is 0"),
    (|p| p.max_tokens = u32::MAX, "BAD_PARAMETER", "max_tokens is 4294967295"),
    (|p| p.top_k = u32::MAX, "BAD_PARAMETER", "top_k is 4294967295"),
    (|p| p.top_p = f32::NAN, "BAD_PARAMETER", "top_p is NaN"),
    (|p| p.top_p = 0.0, "BAD_PARAMETER", "top_p is 0"),
    (|p| p.min_p = f32::NEG_INFINITY, "BAD_PARAMETER", "min_p is -inf"),
    (|p| p.n = 0, "BAD_PARAMETER", "n is 0"),
    (|p| p.n = 10_000, "BAD_PARAMETER", "n is 10000"),
    (|p| p.logprobs = Some(10_000), "BAD_PARAMETER", "logprobs is 10000"),
    (|p| p.deadline_ms = Some(0), "BAD_PARAMETER", "deadline_ms is 0"),
    (|p| p.stop = vec![String::new()], "BAD_PARAMETER", "stop string has 0 bytes"),
    (|p| p.stop = vec!["x".repeat(10_000)], "BAD_PARAMETER", "10000 bytes"),
    (|p| p.stop = vec!["x".into(); 10_000], "BAD_PARAMETER", "10000 stop strings"),
    (|p| p.filters.typical_p = f32::NAN, "BAD_PARAMETER", "typical_p is NaN"),
    (|p| p.filters.top_n_sigma = -1.0, "BAD_PARAMETER", "top_n_sigma is -1"),
    (|p| p.filters.xtc.probability = 2.0, "BAD_PARAMETER", "xtc_probability is 2"),
    (|p| p.filters.xtc.threshold = f32::NAN, "BAD_PARAMETER", "xtc_threshold is NaN"),
    (|p| p.penalties.repeat = 0.0, "BAD_PARAMETER", "repeat_penalty is 0"),
    (|p| p.penalties.last_n = u32::MAX, "BAD_PARAMETER", "repeat_last_n is"),
    (|p| p.penalties.frequency = f32::INFINITY, "BAD_PARAMETER", "frequency_penalty is inf"),
    (|p| p.penalties.presence = f32::NAN, "BAD_PARAMETER", "presence_penalty is NaN"),
    (|p| p.penalties.dry.multiplier = -1.0, "BAD_PARAMETER", "dry_multiplier is -1"),
    (|p| p.penalties.dry.base = f32::NAN, "BAD_PARAMETER", "dry_base is NaN"),
    (|p| p.penalties.dry.breakers = vec![String::new()], "BAD_PARAMETER", "0 bytes"),
    (|p| p.logit_bias = vec![(1, f32::NAN)], "BAD_PARAMETER", "a logit bias is NaN"),
    (|p| p.logit_bias = vec![(u32::MAX, 1.0)], "BAD_PARAMETER", "4294967295"),
    (|p| p.logit_bias = vec![(1_000_000, 1.0)], "BAD_TOKEN", "1000000"),
    (|p| p.grammar = Some(Grammar::Lark(String::new())), "BAD_GRAMMAR", "0 bytes"),
    (|p| p.grammar = Some(Grammar::Lark("a".repeat(900_000))), "BAD_GRAMMAR", "900000 bytes"),
];

/// Grammars that only a compiler can tell from good ones.
fn grammars() -> Vec<(&'static str, Grammar)> {
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let alternatives: String =
        (0..40).map(|n| format!("a{n}: a{} a{} | \"x\"\n", n + 1, n + 1)).collect();
    vec![
        ("no grammar", Grammar::Lark("start: (((".into())),
        ("no start", Grammar::Lark("other: \"a\"".into())),
        ("no JSON", Grammar::JsonSchema("{\"type\": ".into())),
        ("no type of JSON", Grammar::JsonSchema(r#"{"type": "colour"}"#.into())),
        ("a nest of 20,000", Grammar::JsonSchema(deep)),
        ("no regex", Grammar::Regex("(((".into())),
        ("a start for ever", Grammar::Lark("start: start start".repeat(3))),
        ("no GBNF", Grammar::Gbnf("root ::= (".into())),
        ("an unknown rule", Grammar::Lark(format!("start: a0\n{alternatives}"))),
    ]
}

#[test]
fn hostile_parameters_are_refused_at_once_and_disturb_nobody() {
    let broker = broker_with("");
    talk(async {
        let (client, other) = (connect(&broker).await, connect(&broker).await);
        let events = other.generate(greedy("long", 8, BESIDE)).await.expect("it is sent");
        let beside = tokio::spawn(hear(events, Instant::now()));
        for (change, code, words) in PARAMETERS {
            let mut request = greedy("long", 8, 4);
            change(&mut request.params);
            refused(&client, &request, (code, words)).await;
        }
        let context = n_ctx(&client).await;
        let long = greedy("long", context, 1);
        refused(&client, &long, ("PROMPT_TOO_LONG", &context.to_string())).await;
        let alien = Prompt::Tokens(vec![300, u32::MAX]);
        let alien = Generate { prompt: alien, ..greedy("long", 1, 1) };
        refused(&client, &alien, ("BAD_TOKEN", "4294967295")).await;
        assert!(!beside.is_finished(), "the stream beside ended before it could be disturbed");
        beside.await.expect("no panic").was_undisturbed(BESIDE, PAUSE_MAX);
    });
}

#[test]
fn hostile_grammars_are_refused_and_disturb_nobody() {
    let broker = broker_with("");
    let worker = broker.worker("long");
    talk(async {
        let (client, other) = (connect(&broker).await, connect(&broker).await);
        for (name, grammar) in grammars() {
            let events = other.generate(greedy("long", 8, 400)).await.expect("it is sent");
            let beside = tokio::spawn(hear(events, Instant::now()));
            // What was refused once is refused again.
            for _ in 0..2 {
                let mut request = greedy("long", 8, 4);
                request.params.grammar = Some(grammar.clone());
                let heard = ask(&client, request).await;
                let (took, (code, message)) = (heard.ended - heard.sent, heard.refusal());
                println!("{name}: {code} after {took:?}");
                assert_eq!(code, "BAD_GRAMMAR", "{name}: {message}");
                assert!(took <= COMPILED_MAX, "{name} took {took:?}");
                assert!(!message.contains(text(&grammar)), "{name} is quoted");
            }
            beside.await.expect("no panic").was_undisturbed(400, PAUSE_MAX);
        }
    });
    assert_eq!(broker.worker("long"), worker, "the serving worker was replaced");
}

fn text(grammar: &Grammar) -> &str {
    match grammar {
        Grammar::JsonSchema(text)
        | Grammar::Regex(text)
        | Grammar::Lark(text)
        | Grammar::Gbnf(text) => text,
    }
}

/// Asserts that a request is refused in time by this code, with these words.
async fn refused(client: &Client, request: &Generate, (code, words): (&str, &str)) {
    let mut best = Duration::MAX;
    for _ in 0..TRIES {
        let heard = ask(client, request.clone()).await;
        let (found, message) = heard.refusal();
        assert_eq!(found, code, "{message}");
        assert!(message.contains(words), "{message} lacks {words}");
        best = best.min(heard.ended - heard.sent);
    }
    assert!(best <= REFUSED_MAX, "{code}, {words}: {best:?}");
}

async fn n_ctx(client: &Client) -> usize {
    let models = client.models().await.expect("models");
    models.iter().find(|model| model.id == "long").expect("listed").n_ctx as usize
}

/// A stop string, a bias or a penalty at the edge of its range is none of these.
#[test]
fn what_is_just_allowed_is_served() {
    let broker = Broker::with_story().expect("a broker");
    let edges: [Change; 6] = [
        |p| p.stop = vec!["x".repeat(256); 16],
        |p| p.logit_bias = vec![(0, 100.0), (1, -100.0)],
        |p| p.penalties.repeat = 10.0,
        |p| p.filters.xtc.probability = 1.0,
        |p| p.temperature = 100.0,
        |p| p.top_k = 1 << 20,
    ];
    talk(async {
        let client = connect(&broker).await;
        for change in edges {
            let mut request = greedy("story", "Once upon a time", 4);
            change(&mut request.params);
            assert_eq!(ask(&client, request).await.done().usage.completion_tokens, 4);
        }
    });
}
