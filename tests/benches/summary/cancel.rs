//! How soon a cancel during a long prefill gives the slot to the next request.

use std::time::{Duration, Instant};

use core_client::Client;
use core_tests::harness::{Broker, Setup};
use core_wire::client::{Event, FinishReason, Priority};

use crate::{
    STEP_MS_MAX, Served,
    report::{Report, median, quantile},
    rounds, stream, unload,
};

/// The large model with a single slot.
pub(crate) const MODEL: &str = "m164-one";
/// As the name says; the long prompt and the next one fit at once.
pub(crate) const SERVED: Served =
    Served { model: MODEL, n_ctx: 12_288, slots: 1, step_ms_max: STEP_MS_MAX };
/// Tokens that must have been computed when the cancel comes.
const DEPTH: usize = 4096;
/// Tokens of the prompt that is cancelled: it goes on for as long again.
const PREFILL: usize = 8192;
/// Cancels. Each has to compute its own way to the depth, ten seconds and more on two cores, and
/// nothing is cached between requests: so there are twelve, whose 95th percentile is the worst.
const SAMPLES: usize = 12;
/// Cancels come between 1 and 1.06 times the time to the depth: at any place within some steps.
const SPREAD: f64 = 0.06;

/// Measures from the cancel to the next request's first token.
///
/// # Errors
/// A request fails, or the cancelled one ends otherwise.
pub(crate) fn measure(broker: &Broker, report: &mut Report) -> Setup<()> {
    broker.load(MODEL);
    let (samples, depth_ms) = stream::block_on(async {
        let client = stream::connect(broker).await?;
        let prompt = stream::ids(DEPTH, SAMPLES);
        let to_depth = stream::greedy(MODEL, prompt, 1, Priority::Normal);
        let depth_ms = stream::run(client.clone(), to_depth).await?.first_ms()?;
        let mut samples = Vec::new();
        for n in 0..rounds(SAMPLES)? {
            #[expect(clippy::cast_precision_loss, reason = "twelve is exact in a float")]
            let late = 1.0 + SPREAD * n as f64 / SAMPLES as f64;
            let after = Duration::from_secs_f64(late * depth_ms / 1e3);
            samples.push(sample(&client, n, after).await?);
        }
        Ok((samples, depth_ms))
    })?;
    report.figure("prefill_to_4k_ms", depth_ms);
    report.figure("cancel_median_ms", median(&samples));
    report.figure("cancel_p95_ms", quantile(&samples, 0.95));
    report.raw("cancel", 0, &[("ms", &samples)]);
    unload(broker, MODEL)
}

async fn sample(client: &Client, n: usize, after: Duration) -> Setup<f64> {
    let long = stream::greedy(MODEL, stream::ids(PREFILL, n), 1, Priority::Normal);
    let long = client.generate(long).await?;
    tokio::time::sleep(after).await;
    // The next one waits already: what is measured ends with its first token.
    let next = stream::greedy(MODEL, stream::ids(1, n), 1, Priority::Normal);
    let mut next = client.generate(next).await?;
    match next.next().await {
        Some(Ok(Event::Queued { .. })) => {}
        other => return Err(format!("the slot was not taken: {other:?}").into()),
    }
    let cancelled = Instant::now();
    long.cancel();
    let (long, next) = tokio::join!(long.finish(), stream::follow(next, cancelled));
    match long? {
        Event::Done(done) if done.finish_reason == Some(FinishReason::Cancelled) => {
            next?.first_ms()
        }
        other => Err(format!("the long request was not cancelled: {other:?}").into()),
    }
}
