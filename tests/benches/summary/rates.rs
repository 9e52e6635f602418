//! Tokens per second of the broker and of the bare engine, at 1 to 16 streams.

use std::process::Command;

use core_tests::harness::{Broker, Setup};
use serde_json::Value;

use crate::{
    STEP_MS_MAX, Served, THREADS, broker,
    report::{Report, median},
    rounds, unload,
};

/// The large model, with room for all streams.
pub(crate) const MODEL: &str = "m164";
/// What 16 streams of prompt and tokens need, and then some.
pub(crate) const SERVED: Served =
    Served { model: MODEL, n_ctx: CONTEXT, slots: 16, step_ms_max: STEP_MS_MAX };
/// Cells of the KV cache of both engines.
const CONTEXT: u32 = 4096;
/// Rounds; odd, so that the median is a sample. A round takes about a minute on two cores.
const ROUNDS: usize = 5;
/// Tokens of one stream.
const TOKENS: u32 = 96;
/// Streams side by side, as mission.md counts them.
const STREAMS: [usize; 4] = [1, 4, 8, 16];

/// What one measurement of one engine gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Tokens per second of all streams together, without their first tokens.
    pub(crate) tokens_per_s: f64,
    /// From the request to the first token of the first stream.
    pub(crate) first_ms: f64,
}

/// Measures all numbers of streams, and what the broker costs.
///
/// # Errors
/// An engine does not answer.
pub(crate) fn measure(broker: &Broker, report: &mut Report) -> Setup<()> {
    let rounds = rounds(ROUNDS)?;
    broker.load(MODEL);
    for streams in STREAMS {
        let mut ratios = Vec::new();
        let mut waits = Vec::new();
        // One stream is short and the noisiest: it gets three times the rounds.
        for round in 0..if streams == 1 { 3 * rounds } else { rounds } {
            let (bare, ours) = pair(broker, streams, round)?;
            report.sample(streams, round, bare, ours);
            ratios.push(ours.tokens_per_s / bare.tokens_per_s);
            waits.push(ours.first_ms - bare.first_ms);
        }
        report.ratio(streams, &ratios);
        if streams == 1 {
            report.figure("ttft_over_bare_ms", median(&waits));
        }
    }
    report.figure("broker_cpu_us_per_token", broker::cpu_us_per_token(broker, TOKENS)?);
    unload(broker, MODEL)
}

/// One sample of each engine; who goes first changes from round to round.
fn pair(broker: &Broker, streams: usize, round: usize) -> Setup<(Sample, Sample)> {
    if round.is_multiple_of(2) {
        let bare = bare(broker, streams)?;
        return Ok((bare, broker::measure(broker, streams, TOKENS)?));
    }
    let ours = broker::measure(broker, streams, TOKENS)?;
    Ok((bare(broker, streams)?, ours))
}

fn bare(broker: &Broker, streams: usize) -> Setup<Sample> {
    let install = &broker.install;
    let output = Command::new(install.program("bare"))
        .env_clear()
        .envs(core_policy::env::worker_env(THREADS))
        .arg(install.model(MODEL))
        .args(["--prompt", broker::PROMPT, "-n", &TOKENS.to_string()])
        .args(["--streams", &streams.to_string(), "--threads", &THREADS.to_string()])
        .args(["--ctx", &CONTEXT.to_string()])
        .output()?;
    let line: Value = serde_json::from_slice(&output.stdout)?;
    let number = |key: &str| line[key].as_f64().ok_or_else(|| format!("no {key} in {line}"));
    Ok(Sample { tokens_per_s: number("tokens_per_s")?, first_ms: number("prefill_ms")? })
}
