//! What a request may need to be recovered is counted from its start, refused where it does not
//! fit, and given back at its end.

use core_client::{Generate, Params, Special};

use crate::talk::{ask, broker_with, connect, endless, greedy, talk, until};

/// Bytes that are set aside for each token.
const EACH: u64 = 16;
/// Tokens that [`endless`] asks for; the context of its model is longer.
const ENDLESS: u64 = 30_000;
/// Tokens of the longest context that may be set.
const CONTEXT_MAX: u32 = 1 << 20;
/// A model with such a context.
const LONGEST: &str = "[defaults]\nn_ctx = 1048576\nslots = 1\n";
/// Bytes of a journal for it.
const LONGEST_BYTES: u64 = EACH << 20;

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
    let broker = broker_with(LONGEST);
    talk(async {
        let client = connect(&broker).await;
        let before = client.status().await.expect("a state").memory.held_bytes;
        // 6 completions of a million tokens are what a session may hold, and the prompt is more.
        let heard = ask(&client, completions(6)).await;
        let (code, message) = heard.refusal();
        assert_eq!(code, "MEMORY");
        assert!(message.contains("journal") && message.contains("268435456"), "{message}");
        let status = client.status().await.expect("a state");
        assert_eq!(status.memory.held_bytes, before, "nothing of it is kept");
    });
}

#[test]
fn who_holds_much_leaves_room_to_others() {
    let broker = broker_with(LONGEST);
    talk(async {
        let (greedy, other) = (connect(&broker).await, connect(&broker).await);
        let held = async || other.status().await.expect("a state").memory.held_bytes;
        let before = held().await;
        let all = greedy.generate(completions(5)).await.expect("sent");
        until(&other, |status| status.memory.held_bytes > before + 5 * LONGEST_BYTES).await;
        assert_eq!(
            ask(&greedy, completions(1)).await.refusal().0,
            "MEMORY",
            "no more is left for it"
        );
        let theirs = other.generate(completions(3)).await.expect("sent");
        until(&other, |status| status.memory.held_bytes > before + 8 * LONGEST_BYTES).await;
        let third = connect(&broker).await;
        let text = "a".repeat(500_000);
        third.tokenize("long", &text, Special::Plain).await.expect("whoever comes has room");
        all.cancel();
        theirs.cancel();
        until(&third, |status| status.memory.held_bytes == before).await;
    });
}

/// Answers that may be as long as the longest context: 16 MiB are set aside for each.
fn completions(n: u32) -> Generate {
    let one = greedy("long", 8, 1);
    Generate { params: Params { n, max_tokens: CONTEXT_MAX, ..one.params }, ..one }
}
