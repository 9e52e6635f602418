//! A batch request that gives way continues later, with the tokens it would have had.

use std::time::Duration;

use core_client::{Generate, Priority};

use crate::talk::{ask, broker_with, connect, greedy, of_class, same_until_close, talk};

/// One slot, so that one of two must wait.
const ONE_SLOT: &str = "[defaults]\nslots = 1\n";
/// Tokens of the batch request.
const BATCH: u32 = 400;
/// Interruptions of one batch request.
const TIMES: usize = 3;

fn batch(temperature: f32) -> Generate {
    let mut request = of_class(Priority::Batch, greedy("long", "Once upon a time", BATCH));
    request.params.temperature = temperature;
    request.params.seed = Some(7);
    request.params.logprobs = Some(2);
    request
}

#[test]
fn a_parked_request_says_what_it_would_have_said() {
    let broker = broker_with(ONE_SLOT);
    talk(async {
        let (worker, screen) = (connect(&broker).await, connect(&broker).await);
        for temperature in [0.0, 0.8] {
            let alone = ask(&worker, batch(temperature)).await;
            let client = worker.clone();
            let parked = tokio::spawn(async move { ask(&client, batch(temperature)).await });
            let mut ends = Vec::new();
            for _ in 0..TIMES {
                tokio::time::sleep(Duration::from_millis(60)).await;
                let answer = greedy("long", "Somebody", 10);
                let answer = ask(&screen, of_class(Priority::Interactive, answer)).await;
                answer.done();
                ends.push(answer.ended);
            }
            let parked = parked.await.expect("no panic");
            assert!(ends[0] < parked.ended, "the batch request ended before it was disturbed");
            // What it waited for came in between, and not after it.
            let first = parked.said.first().expect("a token").at;
            let pause = parked.said.windows(2).any(|p| p[0].at <= ends[0] && ends[0] <= p[1].at);
            assert!(pause || ends[0] < first, "nothing was interrupted");
            assert_eq!(parked.said.len(), BATCH as usize);
            let same = same_until_close(&alone, &parked);
            println!("temperature {temperature}: {same} of {BATCH} tokens compared");
            assert!(same >= 16, "only {same} tokens could be compared");
            let usage = parked.done().usage;
            assert_eq!(usage.completion_tokens, BATCH);
            assert_eq!(usage.prompt_tokens, alone.done().usage.prompt_tokens);
        }
    });
}
