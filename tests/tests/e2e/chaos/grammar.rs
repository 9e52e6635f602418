//! What a grammar binds stays bound across the death of a worker.

use std::time::Instant;

use core_client::{FinishReason, Grammar, Params, Prompt};
use core_wire::client::status::WorkerState;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{kills::until_worker, times};
use crate::talk::{Heard, connect, story_with, talk};

/// An answer that a grammar binds is still one after its worker was lost in its middle.
#[test]
fn a_grammar_still_holds_after_a_kill() {
    let broker = story_with("");
    talk(async {
        let client = connect(&broker).await;
        // Without spaces, of which there could be any number.
        let schema = r#"{"x-guidance": {"whitespace_flexible": false}, "type": "object",
            "properties": {"a": {"type": "array", "items": {"enum": ["kite", "ball"]},
            "minItems": 40, "maxItems": 60}}, "required": ["a"], "additionalProperties": false}"#;
        for _ in 0..times(3, 50) {
            let params = Params {
                max_tokens: 4000,
                grammar: Some(Grammar::JsonSchema(schema.into())),
                ..Params::default()
            };
            let prompt = Prompt::Text("Numbers:".into());
            let request = core_client::Generate { model: "story".into(), prompt, params };
            let mut events = client.generate(request).await.expect("it can be sent");
            let mut heard = Heard::new(Instant::now());
            heard.until(&mut events, |heard| heard.said.len() > 20).await;
            let worker = until_worker(&client, 0, WorkerState::Ready).await;
            kill(Pid::from_raw(worker.pid.cast_signed()), Signal::SIGKILL).expect("it serves");
            let heard = heard.rest(events).await;
            let end = heard.done().finish_reason;
            assert_eq!(
                end,
                Some(FinishReason::Stop),
                "{} tokens: {}",
                heard.said.len(),
                heard.text
            );
            let value: serde_json::Value = serde_json::from_str(&heard.text).expect("JSON");
            assert!(value["a"].as_array().is_some_and(|list| list.len() >= 40));
        }
    });
}
