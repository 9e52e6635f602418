//! What a request may need to be recovered is counted from its start, refused where it does not
//! fit, and given back at its end.

use core_client::{Generate, Params};

use crate::talk::{ask, broker_with, connect, endless, greedy, talk, until};

/// Bytes that are set aside for each token.
const EACH: u64 = 16;
/// Tokens that [`endless`] asks for; the context of its model is longer.
const ENDLESS: u64 = 30_000;

#[test]
fn a_journal_is_counted_with_its_prompt_and_given_back() {
    let broker = broker_with("[models.long]\nn_ctx = 32768\n");
    talk(async {
        let client = connect(&broker).await;
        let held = async || client.status().await.expect("a state").memory.held_bytes;
        let before = held().await;
        let events = endless(&client).await;
        let during = held().await;
        let took = during - before;
        assert!((ENDLESS * EACH..ENDLESS * EACH + 1024).contains(&took), "{took} bytes");
        events.cancel();
        until(&client, |status| status.memory.held_bytes == before).await;
        // No answer is longer than its context, whatever was asked for.
        let long = Generate {
            params: Params { max_tokens: 1 << 20, ..greedy("long", 8, 1).params },
            ..greedy("long", 8, 1)
        };
        let events = client.generate(long).await.expect("sent");
        until(&client, |status| status.memory.held_bytes > before).await;
        assert!(held().await - before <= 32_768 * EACH + 1024);
        events.cancel();
        until(&client, |status| status.memory.held_bytes == before).await;
    });
}

#[test]
fn a_journal_that_does_not_fit_is_refused_with_the_numbers() {
    let broker = broker_with("[defaults]\nn_ctx = 1048576\nslots = 1\n");
    talk(async {
        let client = connect(&broker).await;
        let before = client.status().await.expect("a state").memory.held_bytes;
        // 16 completions of a million tokens each are all of the budget, and the prompt is more.
        let params = Params { n: 16, max_tokens: 1 << 20, ..greedy("long", 8, 1).params };
        let heard = ask(&client, Generate { params, ..greedy("long", 8, 1) }).await;
        let (code, message) = heard.refusal();
        assert_eq!(code, "MEMORY");
        assert!(message.contains("journal") && message.contains("268435456"), "{message}");
        let status = client.status().await.expect("a state");
        assert_eq!(status.memory.held_bytes, before, "nothing of it is kept");
    });
}
