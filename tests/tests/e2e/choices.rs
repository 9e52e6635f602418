//! Several completions of one prompt.

use core_client::Client;
use core_tests::harness::{Broker, Setup};
use core_wire::{
    client::{FinishReason, Params},
    code::Code,
};

use crate::client::{Told, ask, connect, generate, wait};

const PROMPT: &str = "Once upon a time there was a";

fn params(seed: u64) -> Params {
    Params {
        seed: Some(seed),
        temperature: 1.0,
        max_tokens: 24,
        ignore_eos: true,
        ..Params::default()
    }
}

async fn run(client: &Client, params: Params) -> Setup<Told> {
    generate(client, ask("story", PROMPT, params)).await
}

#[test]
fn completions_are_those_of_single_requests_with_their_seeds() {
    let broker = Broker::with_story().expect("a broker");
    let (together, alone) = wait(async {
        let client = connect(&broker).await?;
        let together = run(&client, Params { n: 3, ..params(40) }).await?;
        let mut alone = Vec::new();
        for seed in 40..43 {
            alone.push(run(&client, params(seed)).await?);
        }
        Ok((together, alone))
    });
    assert!(together.error.is_none(), "{together:?}");
    for (completion, single) in together.tokens.iter().zip(&alone) {
        assert_eq!(*completion, single.tokens[0]);
        assert!(single.choices.is_empty(), "a single completion has no Choice");
    }
    assert_ne!(together.tokens[0], together.tokens[1], "seeds differ");
    let mut indexes: Vec<_> = together.choices.iter().map(|choice| choice.index).collect();
    indexes.sort_unstable();
    assert_eq!(indexes, [0, 1, 2]);
    for choice in &together.choices {
        assert_eq!(choice.finish_reason, FinishReason::Length);
        assert_eq!(choice.usage.completion_tokens, 24);
    }
    let done = together.done.expect("one terminal event");
    assert_eq!(done.finish_reason, Some(FinishReason::Length));
    assert_eq!(done.usage.completion_tokens, 3 * 24);
    let single = alone[0].done.as_ref().expect("done").usage.prompt_tokens;
    assert_eq!(done.usage.prompt_tokens, single, "the prompt counts once");
}

#[test]
fn more_completions_than_slots_take_turns() {
    let install = core_tests::harness::Install::new().expect("an installation");
    install.add_story().expect("the story");
    let config = install.root().join("core.toml");
    std::fs::write(config, "[defaults]\nslots = 2\n").expect("a configuration");
    let broker = Broker::start(install, &[]).expect("a broker");
    let told = wait(async { run(&connect(&broker).await?, Params { n: 16, ..params(1) }).await });
    assert_eq!((told.choices.len(), told.tokens.len()), (16, 16), "{:?}", told.error);
    assert!(told.tokens.iter().all(|tokens| tokens.len() == 24));
}

#[test]
fn one_failure_ends_all_completions_once() {
    let broker = Broker::with_story().expect("a broker");
    let (late, next) = wait(async {
        let client = connect(&broker).await?;
        run(&client, params(1)).await?;
        let long = Params { n: 6, max_tokens: 100_000, deadline_ms: Some(300), ..params(1) };
        let late = run(&client, long).await?;
        Ok((late, run(&client, params(1)).await?))
    });
    assert_eq!(late.error.map(|refusal| refusal.code), Some(Code::Deadline));
    assert!(late.done.is_none() && late.choices.is_empty());
    assert!(next.done.is_some(), "the slots are free again");
}

#[test]
fn a_cancel_ends_all_completions_once() {
    let broker = Broker::with_story().expect("a broker");
    let (done, status) = wait(async {
        let client = connect(&broker).await?;
        let long = Params { n: 12, max_tokens: 100_000, ..params(1) };
        let mut events = client.generate(ask("story", PROMPT, long)).await?;
        let first = events.next().await;
        assert!(matches!(first, Some(Ok(_))));
        client.cancel(&events.id().clone()).await?;
        let done = events.finish().await?;
        Ok((done, client.status().await?))
    });
    let core_wire::client::Event::Done(done) = done else { panic!("no end: {done:?}") };
    assert_eq!(done.finish_reason, Some(FinishReason::Cancelled));
    assert_eq!(status.requests.cancelled, 1, "one request, not one for each completion");
    assert_eq!(status.queue.depth, 0);
}
