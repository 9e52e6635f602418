//! Somebody who looks at a screen, while batch work fills every slot.

use std::time::Duration;

use core_client::Client;
use core_tests::harness::{Broker, Setup};
use core_wire::client::{FinishReason, Priority, Prompt};

use crate::{
    STEP_MS_MAX, Served, broker,
    report::{Report, median},
    rounds, stream, unload,
};

/// The large model with the slots of a default.
pub(crate) const MODEL: &str = "m164-load";
/// As the name says.
pub(crate) const SERVED: Served =
    Served { model: MODEL, n_ctx: 8192, slots: 4, step_ms_max: STEP_MS_MAX };
/// Batch requests at once: half of them wait at any time.
const BATCH: usize = 2 * SERVED.slots;
/// Tokens of a batch request's prompt, and of its answer: seconds of work.
const BATCH_TOKENS: (usize, u32) = (64, 200);
/// Tokens of an answer on a screen; its first one counts.
const ANSWER: u32 = 4;
/// Answers on the idle machine in a round.
const IDLE: usize = 7;
/// Answers under load in a round at most; the load ends before.
const LOADED_MAX: usize = 64;
/// Pause between two answers: what comes back does not come at once.
const PAUSE: Duration = Duration::from_millis(200);
/// Rounds; odd, so that the median is a sample.
const ROUNDS: usize = 3;

/// Measures the time to the first token, idle and loaded, and sees that all batch work is done.
///
/// # Errors
/// A request fails, or a batch request ends early.
pub(crate) fn measure(broker: &Broker, report: &mut Report) -> Setup<()> {
    broker.load(MODEL);
    let (mut ratios, mut idles, mut loads) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds(ROUNDS)? {
        let (idle, loaded) = stream::block_on(async {
            let client = stream::connect(broker).await?;
            if round.is_multiple_of(2) {
                let idle = idle(&client).await?;
                return Ok((idle, loaded(&client, round).await?));
            }
            let loaded = loaded(&client, round).await?;
            Ok((idle(&client).await?, loaded))
        })?;
        report.raw("load", round, &[("idle_ms", &idle), ("loaded_ms", &loaded)]);
        ratios.push(median(&loaded) / median(&idle));
        idles.push(median(&idle));
        loads.push(median(&loaded));
    }
    report.figure("ttft_idle_ms", median(&idles));
    report.figure("ttft_under_load_ms", median(&loads));
    report.figure("ttft_under_load_over_idle", median(&ratios));
    unload(broker, MODEL)
}

async fn idle(client: &Client) -> Setup<Vec<f64>> {
    let mut waits = Vec::new();
    for _ in 0..IDLE {
        waits.push(answer(client).await?);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(waits)
}

async fn loaded(client: &Client, round: usize) -> Setup<Vec<f64>> {
    let (prompt, tokens) = BATCH_TOKENS;
    let batch: Vec<_> = (0..BATCH)
        .map(|n| {
            let prompt = stream::ids(prompt, round * BATCH + n);
            let request = stream::greedy(MODEL, prompt, tokens, Priority::Batch);
            tokio::spawn(stream::run(client.clone(), request))
        })
        .collect();
    let mut waits = Vec::new();
    // While requests wait behind those that run: the last ones run with slots to spare.
    let waiting = || batch.iter().filter(|task| !task.is_finished()).count() > SERVED.slots;
    tokio::time::sleep(2 * PAUSE).await;
    while waits.len() < LOADED_MAX && waiting() {
        waits.push(answer(client).await?);
        tokio::time::sleep(PAUSE).await;
    }
    for task in batch {
        let done = task.await??.done;
        let whole = done.usage.completion_tokens == tokens;
        if done.finish_reason != Some(FinishReason::Length) || !whole {
            return Err(format!("a batch request ended early: {done:?}").into());
        }
    }
    match waits.len() {
        0 => Err("the load ended before anybody could be answered".into()),
        _ => Ok(waits),
    }
}

async fn answer(client: &Client) -> Setup<f64> {
    let prompt = Prompt::Text(broker::PROMPT.into());
    let request = stream::greedy(MODEL, prompt, ANSWER, Priority::Interactive);
    stream::run(client.clone(), request).await?.first_ms()
}
