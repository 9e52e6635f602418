//! Several models at once, and vocabularies without a model.

use std::time::Duration;

use core_tests::{
    gguf::{self, Shape},
    harness::{Broker, Install},
};

use crate::talk::{ask, connect, greedy, talk};

/// Tokens of each stream.
const TOKENS: u32 = 600;
/// The longest that a stream may stand still while the other model has the cores; some turns of
/// 50 ms each.
const PAUSE_MAX: Duration = Duration::from_secs(1);

#[test]
fn two_busy_models_both_make_progress() {
    let install = Install::new().expect("an installation");
    gguf::write_model(&Shape::wide(), &install.model("one")).expect("written");
    gguf::write_model(&Shape::wide().with_seed(2), &install.model("two")).expect("written");
    let broker = Broker::start(install, &[]).expect("a broker");
    broker.load("one");
    broker.load("two");
    talk(async {
        let client = connect(&broker).await;
        let alone = ask(&client, greedy("one", 8, TOKENS)).await;
        let other = client.clone();
        let two = tokio::spawn(async move { ask(&other, greedy("two", 8, TOKENS)).await });
        let one = ask(&client, greedy("one", 8, TOKENS)).await;
        let two = two.await.expect("no panic");
        one.was_undisturbed(TOKENS, PAUSE_MAX);
        two.was_undisturbed(TOKENS, PAUSE_MAX);
        let took = one.ended.max(two.ended) - one.sent;
        println!("one alone {:?}, both {took:?}", alone.ended - alone.sent);
        // Two streams on the same cores take twice as long; collapsing is ten times and more.
        assert!(took <= 6 * (alone.ended - alone.sent), "both together took {took:?}");
        assert_eq!(alone.ids().len(), one.ids().len());
    });
}

#[test]
fn a_vocabulary_without_weights_tokenizes() {
    let install = Install::new().expect("an installation");
    install.add_story().expect("the story");
    let words = install.root().join("tokenizers/words.gguf");
    gguf::write_vocab(&Shape::tiny(), &words).expect("a vocabulary");
    gguf::write_model(&Shape::tiny(), &install.model("tiny")).expect("the same with weights");
    let broker = Broker::start(install, &[]).expect("a broker");
    let text = "Once upon a time";
    let tokenize = |id: &str| broker.corectl(&["tokenize", id, text]);
    let words = tokenize("words");
    assert_eq!(words.code, 0, "{words:?}\n{}", broker.log());
    let ids: Vec<String> =
        words.lines[0]["tokens"].as_array().expect("ids").iter().map(ToString::to_string).collect();
    let back = broker.corectl(&["detokenize", "words", &ids.join(",")]);
    assert_eq!(back.lines[0]["text"], text, "{back:?}");
    // A model's own words need none of its weights either.
    assert_eq!(tokenize("tiny").lines[0]["tokens"], words.lines[0]["tokens"]);
    let models = broker.corectl(&["models"]).lines;
    assert!(models.iter().all(|model| model["id"] != "words"), "{models:?}");
    assert!(models.iter().all(|model| model["state"] == "unloaded"), "{models:?}");
    assert_eq!(broker.corectl(&["run", "words", "x"]).error(), "UNKNOWN_MODEL");
    assert_eq!(tokenize("nosuch").error(), "UNKNOWN_MODEL");
    assert_eq!(tokenize("../models/tiny").error(), "MODEL_PATH");
}
