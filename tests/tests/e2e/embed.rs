//! Embeddings.

use std::time::{Duration, Instant};

use core_client::{Client, Event, Events, FinishReason, Prompt, RequestError};
use core_tests::{
    gguf::{self, Shape},
    harness::{Broker, Install},
};

use crate::{
    compare::{NEIGHBOURS, same_to_a_border},
    talk::{PATIENCE, ask, broker_with, connect, greedy, hear, talk},
};

/// How far a length may be from 1: the sum of the rounding of some hundred floats.
const LENGTH_SLACK: f32 = 1e-4;
/// Width of the model that ships, as shared/model/README.md tells it.
const STORY_WIDTH: usize = 160;
/// Tokens of a stream that is longer than the text beside it takes.
const STREAM: u32 = 1_000;
/// Tokens of that text: many slices.
const BESIDE: usize = 500;
/// How long that stream may stand still on a machine that does other things as well.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How far two embeddings of one text may be apart that were computed in other slices.
const SLICES_SLACK: f32 = 1e-3;
/// Tokens of a text that takes long: hardly fewer than fit.
const LONG: usize = 1_000;

async fn embed(client: &Client, model: &str, text: &str) -> Vec<f32> {
    client.embed(model, Prompt::Text(text.into())).await.expect("an embedding")
}

/// A text of so many tokens.
fn text(tokens: usize) -> Prompt {
    Prompt::Tokens((300..500).cycle().take(tokens).collect())
}

fn product(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

#[test]
fn embeddings_are_unit_vectors_of_the_models_width() {
    let install = Install::new().expect("an installation");
    install.add_story().expect("the story");
    let tiny = Shape::tiny();
    gguf::write_model(&tiny, &install.model("tiny")).expect("written");
    let broker = Broker::start(install, &[]).expect("a broker");
    talk(async {
        let client = connect(&broker).await;
        for (model, width) in [("story", STORY_WIDTH), ("tiny", tiny.n_embd)] {
            for text in ["Once upon a time", "a"] {
                let embedding = embed(&client, model, text).await;
                assert_eq!(embedding.len(), width, "{model}");
                let length = product(&embedding, &embedding).sqrt();
                assert!((length - 1.0).abs() <= LENGTH_SLACK, "{model} {text:?}: {length}");
                assert_eq!(embedding, embed(&client, model, text).await, "{model} {text:?}");
            }
        }
    });
}

#[test]
fn corectl_embeds_and_bad_input_is_refused() {
    let broker = Broker::with_story().expect("a broker");
    let printed = broker.corectl(&["embed", "story", "Once upon a time"]);
    assert_eq!(printed.code, 0, "{printed:?}\n{}", broker.log());
    let numbers = printed.lines[0]["embedding"].as_array().expect("an embedding");
    assert_eq!(numbers.len(), STORY_WIDTH);
    talk(async {
        let client = connect(&broker).await;
        let alien = client.embed("story", Prompt::Tokens(vec![u32::MAX])).await;
        let long = client.embed("story", Prompt::Tokens(vec![300; 50_000])).await;
        let nobody = client.embed("nosuch", Prompt::Text("x".into())).await;
        for (refused, name) in
            [(alien, "BAD_TOKEN"), (long, "PROMPT_TOO_LONG"), (nobody, "UNKNOWN_MODEL")]
        {
            match refused {
                Err(RequestError::Refused(refusal)) => assert_eq!(refusal.code.name(), name),
                other => panic!("{name} was expected, not {:?}", other.map(|all| all.len())),
            }
        }
        assert_eq!(embed(&client, "story", "Once").await.len(), STORY_WIDTH);
    });
}

#[test]
fn an_embedding_beside_a_stream_leaves_both_as_they_are_alone() {
    let broker = broker_with("[defaults]\nslots = 2\n");
    talk(async {
        let client = connect(&broker).await;
        let mut request = greedy("long", 8, STREAM);
        request.params.logprobs = Some(NEIGHBOURS);
        let alone = ask(&client, request.clone()).await;
        let embedding = client.embed("long", text(BESIDE)).await.expect("an embedding");
        let embeds = async {
            let embedding = client.embed("long", text(BESIDE)).await.expect("an embedding");
            (embedding, Instant::now())
        };
        let (heard, (beside, at)) = tokio::join!(ask(&client, request), embeds);
        assert!(heard.said[0].at < at && at < heard.ended, "it was not beside the stream");
        heard.was_undisturbed(STREAM, PAUSE_MAX);
        same_to_a_border(&alone, &heard);
        // Of length 1 both, computed in slices of other sizes.
        let near = product(&embedding, &beside);
        assert!(near >= 1.0 - SLICES_SLACK, "{near}");
    });
}

#[test]
fn embeddings_whose_client_has_gone_cost_nobody_anything() {
    let broker = broker_with("[defaults]\nslots = 2\nn_ctx = 32768\n");
    let worker = broker.worker("long");
    assert!(worker.is_some());
    talk(async {
        let client = connect(&broker).await;
        let mut stream = client.generate(greedy("long", 8, 20_000)).await.expect("it is sent");
        next_token(&mut stream).await;
        let since = Instant::now();
        client.embed("long", text(LONG)).await.expect("an embedding");
        let whole = since.elapsed();
        let leaver = connect(&broker).await;
        let embed = || leaver.embed("long", text(LONG));
        // As many as a worker holds at once.
        let all = async { tokio::join!(embed(), embed(), embed(), embed()) };
        tokio::time::timeout(whole / 8, all).await.expect_err("one alone takes longer");
        drop(leaver);
        let since = Instant::now();
        client.embed("long", text(8)).await.expect("an embedding");
        let took = since.elapsed();
        println!("{took:?} behind four that are gone, each of {whole:?}");
        assert!(took < whole, "they were computed to the end: {took:?}, each {whole:?}");
        next_token(&mut stream).await;
        stream.cancel();
        let heard = hear(stream, since).await;
        assert_eq!(heard.done().finish_reason, Some(FinishReason::Cancelled));
    });
    assert_eq!(broker.worker("long"), worker, "it is the same worker");
}

async fn next_token(stream: &mut Events) {
    let token = async {
        while let Some(event) = stream.next().await {
            match event.expect("it goes on") {
                Event::Token { .. } => return,
                event => assert!(!event.is_terminal(), "it has ended"),
            }
        }
        panic!("it has ended");
    };
    tokio::time::timeout(PATIENCE, token).await.expect("a token in time");
}
