//! What a chat notices of a long prompt beside it, on the shape where one prefill token costs less
//! than one decode step. One more round with the finest steps shows what that setting trades.

use core_client::Client;
use core_tests::harness::{Broker, Setup};
use core_wire::client::{Priority, Prompt};
use std::time::Instant;

use crate::{
    STEP_MS_MAX, Served, broker, depth,
    report::{Report, median, quantile},
    rounds, stream, unload,
};

/// The shape of the mission's bound.
pub(crate) const MODEL: &str = "wide";
/// All of its context.
pub(crate) const SERVED: Served =
    Served { model: MODEL, n_ctx: 32_768, slots: 4, step_ms_max: STEP_MS_MAX };
/// The same model with the shortest steps that can be asked for: what a chat gains by them, and
/// what the long prompt pays.
pub(crate) const FINEST_MODEL: &str = "wide-finest";
/// As the name says.
pub(crate) const FINEST: Served = Served { model: FINEST_MODEL, step_ms_max: 1, ..SERVED };
/// Tokens of the long prompt; the rest of the context is the chat's.
const PREFILL: usize = 32_000;
/// Where the bare engine's steps are measured: room is left for a slice.
const DEPTH: usize = 31_000;
/// Tokens of one answer of the chat: with its prompt they fit beside the long one.
const TURN: u32 = 256;
/// Answers of a chat at most: a long prompt beside them takes a few dozen.
const TURNS_MAX: usize = 512;
/// Answers of a chat alone, whose gaps are the baseline.
const TURNS_IDLE: usize = 4;
/// Rounds; odd, so that the median is a sample.
const ROUNDS: usize = 3;

/// One round.
struct Round {
    /// Gaps of the chat alone.
    idle: Vec<f64>,
    /// Gaps of the chat beside the prefill.
    beside: Vec<f64>,
    /// Milliseconds of the prefill alone.
    alone_ms: f64,
    /// Milliseconds of the prefill beside the chat.
    beside_ms: f64,
}

/// Measures the chat's gaps, and what it costs the prefill.
///
/// # Errors
/// A request fails.
pub(crate) fn measure(broker: &Broker, report: &mut Report) -> Setup<()> {
    let all = rounds_of(broker, MODEL, rounds(ROUNDS)?)?;
    let over = |figure: fn(&Round) -> f64| median(&all.iter().map(figure).collect::<Vec<_>>());
    report.figure("chat_gap_idle_ms", over(|r| median(&r.idle)));
    report.figure("chat_gap_idle_p99_ms", over(|r| quantile(&r.idle, 0.99)));
    report.figure("chat_gap_p99_ms", over(|r| quantile(&r.beside, 0.99)));
    let ratio = over(|r| quantile(&r.beside, 0.99) / median(&r.idle));
    report.figure("chat_gap_p99_over_idle", ratio);
    let ratio = over(|r| quantile(&r.beside, 0.99) / quantile(&r.idle, 0.99));
    report.figure("chat_gap_p99_over_idle_p99", ratio);
    report.figure("prefill_speed_beside_chat", over(|r| r.alone_ms / r.beside_ms));
    keep(report, "gap", &all);
    // What any engine of this kind could do at best there.
    let steps = depth::steps(broker, SERVED, DEPTH)?;
    report.figure("bare_decode_step_at_31k_ms", steps.decode_ms);
    report.figure("bare_mixed_step_at_31k_ms", steps.mixed_ms);
    let finest = rounds_of(broker, FINEST_MODEL, 1)?;
    for r in &finest {
        let ratio = quantile(&r.beside, 0.99) / median(&r.idle);
        report.figure("chat_gap_p99_over_idle_finest", ratio);
        report.figure("prefill_speed_finest", r.alone_ms / r.beside_ms);
    }
    keep(report, "gap_finest", &finest);
    Ok(())
}

/// So many rounds on a model that is loaded for them.
fn rounds_of(broker: &Broker, model: &str, rounds: usize) -> Setup<Vec<Round>> {
    broker.load(model);
    let mut all = Vec::new();
    for round in 0..rounds {
        all.push(stream::block_on(async {
            self::round(&stream::connect(broker).await?, model, round).await
        })?);
    }
    unload(broker, model)?;
    Ok(all)
}

fn keep(report: &mut Report, part: &str, all: &[Round]) {
    for (round, r) in all.iter().enumerate() {
        let prefill: [(&str, &[f64]); 2] =
            [("prefill_alone_ms", &[r.alone_ms]), ("prefill_beside_ms", &[r.beside_ms])];
        report.raw(part, round, &[("idle_ms", &r.idle), ("beside_ms", &r.beside)]);
        report.raw(part, round, &prefill);
    }
}

/// One round; what goes first changes from one to the next.
async fn round(client: &Client, model: &str, round: usize) -> Setup<Round> {
    if round.is_multiple_of(2) {
        let idle = chat_alone(client, model).await?;
        let alone_ms = prefill_alone(client, model, round).await?;
        let (beside, beside_ms) = beside(client, model, PREFILL, round).await?;
        return Ok(Round { idle, beside, alone_ms, beside_ms });
    }
    let (beside, beside_ms) = beside(client, model, PREFILL, round).await?;
    let alone_ms = prefill_alone(client, model, round).await?;
    Ok(Round { idle: chat_alone(client, model).await?, beside, alone_ms, beside_ms })
}

async fn chat_alone(client: &Client, model: &str) -> Setup<Vec<f64>> {
    let start = Instant::now();
    let mut gaps = Vec::new();
    for _ in 0..TURNS_IDLE {
        let turn = stream::run(client.clone(), turn(model)).await?;
        gaps.extend(turn.gaps(start, Instant::now()));
    }
    Ok(gaps)
}

async fn prefill_alone(client: &Client, model: &str, round: usize) -> Setup<f64> {
    let prompt = stream::ids(PREFILL, 2 * round);
    let prefill = stream::greedy(model, prompt, 1, Priority::Batch);
    stream::run(client.clone(), prefill).await?.first_ms()
}

/// The gaps of a chat while a long prompt is computed beside it, and how long that takes.
///
/// # Errors
/// A request fails.
pub(crate) async fn beside(
    client: &Client,
    model: &str,
    tokens: usize,
    round: usize,
) -> Setup<(Vec<f64>, f64)> {
    let prompt = stream::ids(tokens, 2 * round + 1);
    let prefill = stream::greedy(model, prompt, 1, Priority::Batch);
    // The chat is there first, as somebody whom the long prompt must not disturb.
    let first = client.generate(turn(model)).await?;
    let mut turns = vec![tokio::spawn(stream::follow(first, Instant::now()))];
    let start = Instant::now();
    let prefill = tokio::spawn(stream::run(client.clone(), prefill));
    let mut gaps = Vec::new();
    let mut times = Vec::new();
    for _ in 0..TURNS_MAX {
        let Some(turn_of_chat) = turns.pop() else { break };
        times.push(turn_of_chat.await??);
        if !prefill.is_finished() {
            turns.push(tokio::spawn(stream::run(client.clone(), turn(model))));
        }
    }
    let prefill = prefill.await??;
    let end = *prefill.tokens.first().ok_or("a prefill without a token")?;
    for turn in &times {
        gaps.extend(turn.gaps(start, end));
    }
    match gaps.len() {
        0..100 => Err(format!("only {} gaps beside the prefill", gaps.len()).into()),
        _ => Ok((gaps, stream::ms(end - start))),
    }
}

fn turn(model: &str) -> core_wire::client::Generate {
    stream::greedy(model, Prompt::Text(broker::PROMPT.into()), TURN, Priority::Interactive)
}
