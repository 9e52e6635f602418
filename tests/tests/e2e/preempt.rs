//! One slot, and somebody who cannot wait for it: the batch request that gives way continues later,
//! with the tokens it would have had.

use std::time::Instant;

use core_client::{Client, Generate, Priority};
use core_tests::harness::Broker;

use crate::{
    compare::{BORDER, NEIGHBOURS, RECOVERED, common, same_within},
    talk::{Heard, ask, broker_with, connect, greedy, of_class, talk},
};

/// Tokens of the request that gives way: most of them are left when the other one comes.
const BATCH: u32 = 1_200;
/// Tokens after which the other one comes.
const MIDDLE: usize = 80;
/// Prompts that are tried until two runs of one have more in common than what was said before the
/// pause; the first one nearly always has.
const PROMPTS: [&str; 4] = ["Once upon a time", "The sea", "Nobody knew", "It was dark"];
/// Seeds of what is drawn.
const SEEDS: u64 = 8;
/// Tokens before the pause of a draw, and those that are compared after it.
const EARLY: usize = 10;
const COMPARED: usize = 24;

fn one_slot(idle_cells: u32) -> Broker {
    broker_with(&format!("[defaults]\nslots = 1\nn_ctx = 4096\nidle_cells = {idle_cells}\n"))
}

fn batch(prompt: &str, tokens: u32) -> Generate {
    let mut request = of_class(Priority::Batch, greedy("long", prompt, tokens));
    request.params.logprobs = Some(NEIGHBOURS);
    request
}

fn drawn(seed: u64, tokens: u32) -> Generate {
    let mut request = batch(PROMPTS[0], tokens);
    (request.params.temperature, request.params.seed) = (0.8, Some(seed));
    request
}

/// What is heard of a request that has to give way after so many tokens. It is cancelled once that
/// is enough.
async fn parked(
    (worker, screen): &(Client, Client),
    request: Generate,
    after: usize,
    enough: fn(&Heard) -> bool,
) -> Heard {
    let mut events = worker.generate(request).await.expect("it can be sent");
    let mut heard = Heard::new(Instant::now());
    heard.until(&mut events, |heard| heard.said.len() >= after).await;
    let parked = tokio::spawn(async move {
        heard.until(&mut events, enough).await;
        events.cancel();
        heard.rest(events).await
    });
    let first = ask(screen, of_class(Priority::Interactive, greedy("long", "Tell", 5))).await;
    first.done();
    assert_eq!(first.said.len(), 5);
    let parked = parked.await.expect("no panic");
    assert!(first.ended < parked.ended, "the one that came later ends first");
    let [before] = parked.parked[..] else { panic!("parked at {:?}", parked.parked) };
    assert!(before >= after, "parked once, in its middle, and told so: {before}");
    parked
}

fn the_batch_one_continues(broker: &Broker, border: f32) {
    talk(async {
        let mut tries = Vec::new();
        for prompt in PROMPTS {
            // Sessions of their own, so that neither starts from what the other computed.
            let clients = (connect(broker).await, connect(broker).await);
            let alone = ask(&connect(broker).await, batch(prompt, BATCH)).await;
            let parked = parked(&clients, batch(prompt, BATCH), MIDDLE, |_| false).await;
            assert_eq!(parked.said.len(), BATCH as usize);
            assert_eq!(parked.done().usage, alone.done().usage);
            tries.push((same_within(border, &alone.said, &parked.said), parked.parked[0]));
            if tries.iter().any(|(same, before)| same > before) {
                break;
            }
        }
        println!("(the same, before the pause) {tries:?}");
        assert!(tries.iter().any(|(same, before)| same > before), "{tries:?}");
    });
}

/// Whether enough was said after the pause.
fn compared(heard: &Heard) -> bool {
    heard.parked.first().is_some_and(|before| heard.said.len() >= before + COMPARED)
}

/// Its cells are kept meanwhile.
#[test]
fn an_interactive_request_takes_the_only_slot_and_the_batch_one_loses_nothing() {
    the_batch_one_continues(&one_slot(2_048), BORDER);
}

/// 64 cells are fewer than it has by then: it is computed again from what the broker kept of it.
#[test]
fn a_request_whose_cells_were_given_away_continues_from_the_journal() {
    the_batch_one_continues(&one_slot(64), RECOVERED);
}

/// The generator of a draw goes on where it was. One that began anew, or went on in another place,
/// would draw other tokens at once for every seed; how little two seeds have in common is the
/// control.
#[test]
fn a_parked_request_draws_what_it_would_have_drawn() {
    let broker = one_slot(2_048);
    talk(async {
        let (mut same, mut other, mut last) = (0, 0, Vec::new());
        for seed in 1..=SEEDS {
            let clients = (connect(&broker).await, connect(&broker).await);
            let parked = parked(&clients, drawn(seed, BATCH), EARLY, compared).await;
            let before = parked.parked[0];
            let tokens = u32::try_from(before + COMPARED).expect("a few");
            let alone = ask(&connect(&broker).await, drawn(seed, tokens)).await;
            assert_eq!(alone.said.len(), before + COMPARED);
            let all = common(&alone.said, &parked.said);
            assert!(all >= before, "token {all} of {before} before the pause differs");
            same += all - before;
            other += common(&alone.said, &last);
            last = alone.said;
        }
        let all = usize::try_from(SEEDS).expect("a few") * COMPARED;
        println!("{same} of {all} tokens after a pause agree, {other} with another seed's");
        assert!(same * 2 > all, "only {same} of {all} tokens agree");
        assert!(other * 4 < all, "{other} of {all} tokens agree with another seed's");
    });
}
