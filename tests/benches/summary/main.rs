//! `make bench`: this runtime beside the bare engine, in one run, interleaved.
//!
//! Prints ratios and writes `target/bench/summary.json` (keys of the contract; what is not measured
//! yet is absent) with the raw samples beside it. Each round measures the bare engine and then the
//! broker, so that a machine whose speed drifts moves both; a figure is the median over rounds.

#![expect(clippy::print_stdout, reason = "what is printed is the result")]

mod broker;
mod report;

use std::{path::Path, process::Command};

use core_tests::{
    gguf::{self, Shape},
    harness::{Broker, Install, Setup},
};
use serde_json::Value;

use report::{Report, median};

/// Rounds; odd, so that the median is a sample. A round takes about a minute on two cores.
const ROUNDS: usize = 5;
/// Tokens of one stream.
const TOKENS: u32 = 96;
/// Streams side by side, as mission.md counts them.
const STREAMS: [usize; 4] = [1, 4, 8, 16];
/// Cells of the KV cache; what 16 streams of prompt and tokens need, and then some.
const CONTEXT: u32 = 4096;
/// Threads of both engines.
const THREADS: u32 = 2;

/// What one measurement of one engine gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Tokens per second of all streams together, without their first tokens.
    pub(crate) tokens_per_s: f64,
    /// From the request to the first token of the first stream.
    pub(crate) first_ms: f64,
}

fn main() -> Setup<()> {
    let rounds = match std::env::var("CORE_BENCH_ROUNDS") {
        Ok(text) => text.parse()?,
        Err(_) => ROUNDS,
    };
    let install = Install::new()?;
    gguf::write_model(&Shape::m164(), &install.model("m164"))?;
    install.add_bare()?;
    let slots = STREAMS[STREAMS.len() - 1];
    let config = format!("[defaults]\nn_ctx = {CONTEXT}\nslots = {slots}\nthreads = {THREADS}\n");
    std::fs::write(install.root().join("core.toml"), config)?;
    let broker = Broker::start(install, &[])?;
    let mut report = Report::new();
    broker::at_rest(&broker, &mut report)?;
    broker.load("m164");
    for streams in STREAMS {
        let mut ratios = Vec::new();
        let mut waits = Vec::new();
        // One stream is short and the noisiest: it gets three times the rounds.
        for round in 0..if streams == 1 { 3 * rounds } else { rounds } {
            let (bare, ours) = pair(&broker, streams, round)?;
            report.sample(streams, round, bare, ours);
            ratios.push(ours.tokens_per_s / bare.tokens_per_s);
            waits.push(ours.first_ms - bare.first_ms);
        }
        report.ratio(streams, &ratios);
        if streams == 1 {
            report.figure("ttft_over_bare_ms", median(&waits));
        }
    }
    report.figure("broker_cpu_us_per_token", broker::cpu_us_per_token(&broker, TOKENS)?);
    report.write()
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
        .arg(install.model("m164"))
        .args(["--prompt", broker::PROMPT, "-n", &TOKENS.to_string()])
        .args(["--streams", &streams.to_string(), "--threads", &THREADS.to_string()])
        .args(["--ctx", &CONTEXT.to_string()])
        .output()?;
    let line: Value = serde_json::from_slice(&output.stdout)?;
    let number = |key: &str| line[key].as_f64().ok_or_else(|| format!("no {key} in {line}"));
    Ok(Sample { tokens_per_s: number("tokens_per_s")?, first_ms: number("prefill_ms")? })
}

/// Where the results go: `target/bench`, beside the release directory.
fn output_dir() -> Setup<std::path::PathBuf> {
    let release = core_tests::harness::install::release_dir()?;
    let target = release.parent().unwrap_or(Path::new("."));
    Ok(target.join("bench"))
}
