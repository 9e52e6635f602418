//! The same on a shape where depth costs: there no prefill beside a chat can be free, so the bound
//! is a time, and beside it stands what a fixed slice would have cost.

use std::process::Command;

use core_client::Client;
use core_tests::harness::{Broker, Setup};
use core_wire::client::{Priority, Prompt};
use serde_json::Value;

use crate::{
    STEP_MS_MAX, Served, THREADS, broker, gap,
    report::{Report, median, quantile},
    stream, unload,
};

/// The large model, with room for a prompt of 8k tokens and a chat.
pub(crate) const MODEL: &str = "m164-deep";
/// As the name says.
pub(crate) const SERVED: Served =
    Served { model: MODEL, n_ctx: 12_288, slots: 4, step_ms_max: STEP_MS_MAX };
/// Tokens of the long prompt.
const PREFILL: usize = 8192;
/// How much more than the smallest step that does anything a gap may be.
const SLACK: f64 = 1.2;
/// Tokens of the chat alone.
const IDLE: u32 = 256;

/// Measures gaps beside a prefill, and the steps that the bare engine would make there.
///
/// # Errors
/// A request or the bare engine fails.
pub(crate) fn measure(broker: &Broker, report: &mut Report) -> Setup<()> {
    broker.load(MODEL);
    let (idle, (beside, beside_ms)) = stream::block_on(async {
        let client = stream::connect(broker).await?;
        let idle = alone(&client).await?;
        Ok((idle, gap::beside(&client, MODEL, PREFILL, 0).await?))
    })?;
    unload(broker, MODEL)?;
    let Steps { mixed_ms: mixed, slice_ms: slice, .. } = steps(broker, SERVED, PREFILL)?;
    let p99 = quantile(&beside, 0.99);
    let step_ms_max = f64::from(STEP_MS_MAX);
    report.figure("chat_gap_idle_m164_ms", median(&idle));
    report.figure("chat_gap_p99_beside_8k_ms", p99);
    report.figure("step_ms_max", step_ms_max);
    report.figure("bare_slice_512_at_8k_ms", slice);
    report.figure("bare_mixed_step_at_8k_ms", mixed);
    report.figure("chat_gap_p99_over_bound", p99 / step_ms_max.max(SLACK * mixed));
    report.figure("prefill_8k_beside_chat_ms", beside_ms);
    report.raw("depth", 0, &[("idle_ms", &idle), ("beside_ms", &beside)]);
    Ok(())
}

async fn alone(client: &Client) -> Setup<Vec<f64>> {
    let prompt = Prompt::Text(broker::PROMPT.into());
    let chat = stream::greedy(MODEL, prompt, IDLE, Priority::Interactive);
    let times = stream::run(client.clone(), chat).await?;
    Ok(times.gaps(times.start, std::time::Instant::now()).collect())
}

/// What single steps of the bare engine cost at a depth, in milliseconds.
pub(crate) struct Steps {
    /// One decode token.
    pub(crate) decode_ms: f64,
    /// One decode token beside one of a prompt.
    pub(crate) mixed_ms: f64,
    /// A whole n_batch of a prompt.
    pub(crate) slice_ms: f64,
}

/// Measures them.
///
/// # Errors
/// The bare engine fails.
pub(crate) fn steps(broker: &Broker, served: Served, depth: usize) -> Setup<Steps> {
    let output = Command::new(broker.install.program("bare-steps"))
        .env_clear()
        .envs(core_policy::env::worker_env(THREADS))
        .arg(broker.install.model(served.model))
        .args([depth.to_string(), served.n_ctx.to_string(), THREADS.to_string()])
        .output()?;
    let line: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&output.stderr)))?;
    let number = |key: &str| line[key].as_f64().ok_or_else(|| format!("no {key} in {line}"));
    Ok(Steps {
        decode_ms: number("decode_ms")?,
        mixed_ms: number("mixed_ms")?,
        slice_ms: number("slice_ms")?,
    })
}
