//! Embeddings.

use core_client::{Client, Prompt, RequestError};
use core_tests::{
    gguf::{self, Shape},
    harness::{Broker, Install},
};

use crate::talk::{connect, talk};

/// How far a length may be from 1: the sum of the rounding of some hundred floats.
const LENGTH_SLACK: f32 = 1e-4;
/// Width of the model that ships, as shared/model/README.md tells it.
const STORY_WIDTH: usize = 160;

async fn embed(client: &Client, model: &str, text: &str) -> Vec<f32> {
    client.embed(model, Prompt::Text(text.into())).await.expect("an embedding")
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
fn similar_texts_are_nearer_than_others() {
    let broker = Broker::with_story().expect("a broker");
    talk(async {
        let client = connect(&broker).await;
        let kite = embed(&client, "story", "Mira gave the red kite to Tom.").await;
        let ball = embed(&client, "story", "Mira gave the blue ball to Tom.").await;
        let night = embed(&client, "story", "One night, Rolf could not sleep.").await;
        let (near, far) = (product(&kite, &ball), product(&kite, &night));
        println!("near {near}, far {far}");
        assert!(near > far, "{near} is not above {far}");
    });
}

#[test]
fn an_embedding_beside_a_stream_disturbs_nobody_and_bad_input_is_refused() {
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
