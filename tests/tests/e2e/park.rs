//! A batch request that gives way continues later, with the tokens it would have had.

use std::time::Duration;

use core_client::{Generate, Priority};
use core_tests::harness::Broker;

use crate::talk::{ask, broker_with, common, connect, greedy, of_class, same_until_close, talk};

/// One slot, so that one of two must wait.
const ONE_SLOT: &str = "[defaults]\nslots = 1\n";
/// Tokens of the batch request.
const BATCH: u32 = 400;
/// Interruptions of one batch request.
const TIMES: usize = 3;
/// How long it runs between them: some ten tokens, so that the first comes while the two runs can
/// still be compared.
const INTO_IT: Duration = Duration::from_millis(15);
/// Tries, of which one has to go on with the same tokens after a pause.
const TRIES: usize = 3;

fn batch(temperature: f32) -> Generate {
    let mut request = of_class(Priority::Batch, greedy("long", "Once upon a time", BATCH));
    request.params.temperature = temperature;
    request.params.seed = Some(7);
    request.params.logprobs = Some(2);
    request
}

/// One run alone and one that is disturbed; how many tokens are the same, and how many there were
/// at the first disturbance.
async fn disturbed(broker: &Broker, temperature: f32) -> (usize, usize) {
    let (worker, screen) = (connect(broker).await, connect(broker).await);
    let alone = ask(&worker, batch(temperature)).await;
    let parked = tokio::spawn(async move { ask(&worker, batch(temperature)).await });
    let mut ends = Vec::new();
    for _ in 0..TIMES {
        tokio::time::sleep(INTO_IT).await;
        let answer = of_class(Priority::Interactive, greedy("long", "Somebody", 10));
        let answer = ask(&screen, answer).await;
        answer.done();
        ends.push(answer.ended);
    }
    let parked = parked.await.expect("no panic");
    assert!(ends[TIMES - 1] < parked.ended, "it ended before it was disturbed");
    assert_eq!(parked.said.len(), BATCH as usize);
    let (usage, expected) = (parked.done().usage, alone.done().usage);
    assert_eq!(usage.completion_tokens, BATCH);
    assert_eq!(usage.prompt_tokens, expected.prompt_tokens);
    let before = parked.said.iter().filter(|said| said.at < ends[0]).count();
    let same = match temperature {
        0.0 => same_until_close(&alone, &parked),
        _ => common(&alone, &parked),
    };
    (same, before)
}

#[test]
fn a_parked_request_says_what_it_would_have_said() {
    let broker = broker_with(ONE_SLOT);
    for temperature in [0.0, 0.8] {
        let mut tries = Vec::new();
        while tries.len() < TRIES && tries.iter().all(|(same, before)| same <= before) {
            tries.push(talk(disturbed(&broker, temperature)));
        }
        println!("temperature {temperature}: (the same, before the first pause) {tries:?}");
        assert!(tries.iter().any(|(same, before)| same > before), "{temperature}: {tries:?}");
    }
}
