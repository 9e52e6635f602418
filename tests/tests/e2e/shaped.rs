//! Answers that have to be something: what a schema, a pattern or a grammar allows, whatever the
//! model would rather say.

use core_client::{Client, FinishReason, Generate, Grammar};
use core_tests::harness::Broker;
use serde_json::Value;

use crate::talk::{Heard, ask, connect, greedy, talk};

/// More than the longest answer that any of these allows.
const TOKENS: u32 = 300;

type Sound = fn(&Value) -> bool;

/// Schemas whose answers are bounded, with what every answer must be.
const SCHEMAS: [(&str, Sound); 10] = [
    (r#"{"type": "boolean"}"#, |v| v.is_boolean()),
    (r#"{"type": "null"}"#, |v| v.is_null()),
    (r#"{"enum": ["red", "green", 7]}"#, |v| ["red", "green"].iter().any(|c| v == c) || v == 7),
    (r#"{"type": "integer", "minimum": 10, "maximum": 99}"#, |v| {
        v.as_i64().is_some_and(|n| (10..=99).contains(&n))
    }),
    (r#"{"type": "string", "maxLength": 12}"#, |v| {
        v.as_str().is_some_and(|text| text.chars().count() <= 12)
    }),
    (r#"{"type": "string", "pattern": "^[a-z]{3}-[0-9]{2}$"}"#, |v| {
        v.as_str().is_some_and(|text| text.len() == 6 && text.as_bytes()[3] == b'-')
    }),
    (r#"{"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 4}"#, |v| {
        v.as_array().is_some_and(|all| (1..=4).contains(&all.len()))
    }),
    (
        r#"{"type": "object", "properties": {"name": {"type": "string", "maxLength": 8},
            "age": {"type": "integer", "minimum": 0, "maximum": 120}},
            "required": ["name", "age"], "additionalProperties": false}"#,
        |v| v["name"].is_string() && v["age"].as_u64().is_some_and(|age| age <= 120),
    ),
    (
        r##"{"$defs": {"colour": {"enum": ["red", "blue"]}}, "type": "array", "minItems": 2,
            "maxItems": 2, "items": {"$ref": "#/$defs/colour"}}"##,
        |v| v.as_array().is_some_and(|all| all.len() == 2),
    ),
    (
        r#"{"anyOf": [{"type": "null"}, {"type": "object", "properties": {"on": {"const": true}},
            "required": ["on"], "additionalProperties": false}]}"#,
        |v| v.is_null() || v["on"] == true,
    ),
];

fn shaped(grammar: Grammar, seed: u64) -> Generate {
    let mut request = greedy("story", "Once upon a time", TOKENS);
    request.params.temperature = 0.9;
    request.params.seed = Some(seed);
    request.params.ignore_eos = false;
    request.params.grammar = Some(grammar);
    request
}

async fn complete(client: &Client, grammar: Grammar, seed: u64) -> Heard {
    let heard = ask(client, shaped(grammar, seed)).await;
    assert_eq!(heard.done().finish_reason, Some(FinishReason::Stop), "{:?}", heard.text);
    heard
}

#[test]
fn an_answer_with_a_schema_always_parses() {
    let broker = Broker::with_story().expect("a broker");
    talk(async {
        let client = connect(&broker).await;
        for ((schema, sound), seed) in SCHEMAS.iter().zip(1..) {
            let heard = complete(&client, Grammar::JsonSchema((*schema).into()), seed).await;
            let value: Result<Value, _> = serde_json::from_str(&heard.text);
            let value = value.unwrap_or_else(|e| panic!("{schema}: {e} in {:?}", heard.text));
            assert!(sound(&value), "{schema}: {value}");
        }
    });
}

#[test]
fn a_pattern_and_both_notations_of_grammars_hold() {
    let broker = Broker::with_story().expect("a broker");
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    talk(async {
        let client = connect(&broker).await;
        let heard = complete(&client, Grammar::Regex("[0-9]{1,6}".into()), 1).await;
        assert!(digits(&heard.text) && heard.text.len() <= 6, "{:?}", heard.text);
        let lark = "start: \"yes\" | \"no \" WHY\nWHY: /[a-z]{1,5}/";
        let heard = complete(&client, Grammar::Lark(lark.into()), 2).await;
        assert!(heard.text == "yes" || heard.text.starts_with("no "), "{:?}", heard.text);
        let gbnf = "root ::= item (\", \" item)? \".\"\nitem ::= \"red\" | \"blue\"";
        let heard = complete(&client, Grammar::Gbnf(gbnf.into()), 3).await;
        let body = heard.text.strip_suffix('.').unwrap_or_else(|| panic!("{:?}", heard.text));
        assert!(body.split(", ").all(|item| ["red", "blue"].contains(&item)), "{body}");
    });
}

#[test]
fn a_schema_can_be_typed() {
    let broker = Broker::with_story().expect("a broker");
    let schema = broker.path("schema.json");
    std::fs::write(&schema, r#"{"type": "integer", "minimum": 1, "maximum": 9}"#).expect("written");
    let schema = schema.to_string_lossy().into_owned();
    let output = broker.corectl(&["run", "story", "Tom", "--json-schema", &schema]);
    assert_eq!(output.code, 0, "{output:?}\n{}", broker.log());
    let number: u8 = output.text().parse().unwrap_or_else(|_| panic!("{:?}", output.text()));
    assert!((1..=9).contains(&number));
}
