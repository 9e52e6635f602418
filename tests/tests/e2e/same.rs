//! The same prompt and seed give the same tokens, alone and beside others.

use core_client::{Client, Generate};
use core_tests::harness::Broker;

use crate::{
    compare::{NEIGHBOURS, common, same_to_a_border},
    talk::{Heard, ask, connect, greedy, talk},
};

/// Tokens of the request that is compared.
const TOKENS: u32 = 60;
/// Seeds that are tried, and tokens of each.
const SEEDS: u64 = 8;
const SEED_TOKENS: u32 = 24;

fn request(temperature: f32, seed: u64, max_tokens: u32) -> Generate {
    let mut request = greedy("story", "Once upon a time there was a", max_tokens);
    request.params.temperature = temperature;
    request.params.seed = Some(seed);
    request.params.logprobs = Some(NEIGHBOURS);
    request
}

/// One request, while others join and leave.
async fn beside(client: &Client, request: Generate) -> Heard {
    let noise = |n: u32| {
        let client = client.clone();
        let prompts = ["Mira", "Tom had a green boat and a red kite.", "It was dark"];
        let prompt = prompts[n as usize % prompts.len()];
        tokio::spawn(async move { ask(&client, greedy("story", prompt, 10 + 7 * n)).await })
    };
    let early: Vec<_> = (0..4).map(noise).collect();
    let client = client.clone();
    let heard = tokio::spawn(async move { ask(&client, request).await });
    let late: Vec<_> = (4..8).map(noise).collect();
    for other in early.into_iter().chain(late) {
        other.await.expect("no panic").done();
    }
    heard.await.expect("no panic")
}

#[test]
fn others_do_not_change_what_is_said() {
    let broker = Broker::with_story().expect("a broker");
    broker.load("story");
    talk(async {
        let client = connect(&broker).await;
        let alone = ask(&client, request(0.0, 5, TOKENS)).await;
        let mut same = 0;
        for _ in 0..3 {
            let crowded = beside(&client, request(0.0, 5, TOKENS)).await;
            same = same.max(same_to_a_border(&alone, &crowded));
        }
        println!("greedy: {same} of {TOKENS} tokens compared");
        assert!(same >= 16, "only {same} tokens could be compared");
    });
}

/// Beside others a step computes in other shapes, and log probabilities differ by a hundredth; so a
/// draw is tipped now and then, and then the rest is another text. A draw that depended on who else
/// runs would differ after a token or two for every seed.
#[test]
fn others_do_not_change_what_is_drawn() {
    let broker = Broker::with_story().expect("a broker");
    broker.load("story");
    talk(async {
        let client = connect(&broker).await;
        let mut same = 0;
        for seed in 1..=SEEDS {
            let alone = ask(&client, request(0.7, seed, SEED_TOKENS)).await;
            let crowded = beside(&client, request(0.7, seed, SEED_TOKENS)).await;
            same += common(&alone.said, &crowded.said);
        }
        let all = usize::try_from(SEEDS).expect("a few") * SEED_TOKENS as usize;
        println!("drawn: {same} of {all} tokens before a first difference");
        assert!(same * 4 > all, "only {same} of {all} tokens agree");
    });
}

/// Told probabilities are sorted, sound, and those of the token that was chosen.
#[test]
fn log_probabilities_are_those_of_the_tokens() {
    let broker = Broker::with_story().expect("a broker");
    let output = broker.corectl(&["run", "story", "Tom had a", "--temp=0", "-n5", "--logprobs=3"]);
    assert_eq!(output.code, 0, "{output:?}\n{}", broker.log());
    for token in output.events("token") {
        let number = |value: &serde_json::Value| value.as_f64().expect("a number");
        let top = token["top"].as_array().expect("alternatives");
        assert_eq!(top.len(), 3, "{token}");
        let probabilities: Vec<f64> = top.iter().map(|one| number(&one["logprob"])).collect();
        assert!(probabilities.is_sorted_by(|one, next| one >= next), "{token}");
        assert!(probabilities.iter().map(|log| log.exp()).sum::<f64>() <= 1.0 + 1e-4, "{token}");
        // Greedy takes the likeliest.
        assert_eq!(top[0]["id"], token["id"], "{token}");
        assert_eq!(probabilities[0], number(&token["logprob"]), "{token}");
    }
}
