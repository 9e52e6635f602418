//! Several completions of one prompt.

use std::time::Instant;

use core_client::{FinishReason, Generate, Params};
use core_tests::harness::{Broker, Install};

use crate::{
    compare::common,
    contexts::{CONFIG, PROMPT, cached},
    talk::{Heard, ask, broker_with, connect, greedy, talk},
};

/// Tokens of each completion.
const TOKENS: u32 = 24;
/// Completions that are compared with single requests.
const COMPARED: u32 = 8;

fn request(seed: u64) -> Generate {
    let mut request = greedy("story", "Once upon a time there was a", TOKENS);
    (request.params.temperature, request.params.seed) = (1.0, Some(seed));
    request
}

fn several(n: u32, max_tokens: u32) -> Generate {
    let request = request(40);
    Generate { params: Params { n, max_tokens, ..request.params }, ..request }
}

/// Tokens that pairs of a completion and a single request have in common before a first difference.
fn pairs<'a>(together: &Heard, alone: impl Iterator<Item = &'a Heard>) -> usize {
    let of = |index| together.said.iter().filter(move |said| said.choice == index);
    (0..).zip(alone).map(|(index, single)| common(of(index), &single.said)).sum()
}

/// As many sequences in one step differ from one in a hundredth of a log probability, which tips a
/// draw now and then; a completion with another seed differs after a token or two. How little those
/// have in common is the control.
#[test]
fn completions_are_those_of_single_requests_with_their_seeds() {
    let broker = Broker::with_story().expect("a broker");
    talk(async {
        let client = connect(&broker).await;
        let together = ask(&client, several(COMPARED, TOKENS)).await;
        let mut alone = Vec::new();
        for seed in 40..40 + u64::from(COMPARED) {
            alone.push(ask(&client, request(seed)).await);
        }
        let same = pairs(&together, alone.iter());
        let other = pairs(&together, alone.iter().skip(1));
        let all = (COMPARED * TOKENS) as usize;
        println!("{same} of {all} tokens agree with their seed, {other} with the next one");
        assert!(same * 2 > all, "only {same} of {all} tokens agree");
        assert!(other * 4 < all, "{other} of {all} tokens agree with another seed");
        assert!(alone.iter().all(|single| single.choices.is_empty()), "one has no Choice");
        let mut indexes: Vec<_> = together.choices.iter().map(|choice| choice.index).collect();
        indexes.sort_unstable();
        assert_eq!(indexes, (0..COMPARED).collect::<Vec<_>>());
        for choice in &together.choices {
            assert_eq!(choice.finish_reason, FinishReason::Length);
            assert_eq!(choice.usage.completion_tokens, TOKENS);
        }
        let (done, single) = (together.done(), alone[0].done());
        assert_eq!(done.finish_reason, Some(FinishReason::Length));
        assert_eq!(done.usage.completion_tokens, COMPARED * TOKENS);
        assert_eq!(done.usage.prompt_tokens, single.usage.prompt_tokens, "counted once");
    });
}

#[test]
fn more_completions_than_slots_take_turns() {
    let install = Install::new().expect("an installation");
    install.add_story().expect("the story");
    let config = install.root().join("core.toml");
    std::fs::write(config, "[defaults]\nslots = 2\n").expect("a configuration");
    let broker = Broker::start(install, &[]).expect("a broker");
    let heard = talk(async { ask(&connect(&broker).await, several(16, TOKENS)).await });
    heard.done();
    assert_eq!(heard.choices.len(), 16);
    assert!((0..16).all(|index| heard.ids_of(index).len() == TOKENS as usize));
}

#[test]
fn one_failure_ends_all_completions_once() {
    let broker = Broker::with_story().expect("a broker");
    talk(async {
        let client = connect(&broker).await;
        ask(&client, request(1)).await.done();
        let mut long = several(6, 100_000);
        long.params.deadline_ms = Some(300);
        let late = ask(&client, long).await;
        assert_eq!(late.refusal().0, "DEADLINE");
        assert!(late.choices.is_empty());
        ask(&client, request(1)).await.done();
    });
}

#[test]
fn a_cancel_ends_all_completions_once() {
    let broker = Broker::with_story().expect("a broker");
    talk(async {
        let client = connect(&broker).await;
        let mut events = client.generate(several(12, 100_000)).await.expect("it can be sent");
        let mut heard = Heard::new(Instant::now());
        heard.until(&mut events, |heard| !heard.said.is_empty()).await;
        client.cancel(&events.id().clone()).await.expect("it is cancelled");
        let heard = heard.rest(events).await;
        assert_eq!(heard.done().finish_reason, Some(FinishReason::Cancelled));
        let status = client.status().await.expect("a state");
        assert_eq!(status.requests.cancelled, 1, "one request, not one for each completion");
        assert_eq!(status.queue.depth, 0);
    });
}

#[test]
fn completions_of_one_request_share_a_domain_and_leave_one() {
    let broker = broker_with(CONFIG);
    talk(async {
        let client = connect(&broker).await;
        let mut several = greedy("long", PROMPT, TOKENS);
        several.params.n = 2;
        ask(&client, several).await.done();
        assert_eq!(cached(&client, greedy("long", PROMPT, 1)).await, 299);
    });
}
