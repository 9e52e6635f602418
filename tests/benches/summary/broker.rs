//! The broker's side of each measurement, as a client sees it.

use std::time::{Duration, Instant};

use core_tests::harness::{Broker, Setup, processes};
use core_wire::client::{Priority, Prompt};

use crate::{
    rates::{MODEL, Sample},
    report::Report,
    stream,
};

/// The prompt of every stream, the same for both engines.
pub(crate) const PROMPT: &str =
    "Once upon a time there was a small boat that nobody had ever sailed";
/// How long an idle broker is watched.
const IDLE: Duration = Duration::from_secs(5);
/// How long it has before that for what its start still does.
const SETTLED: Duration = Duration::from_secs(1);

/// Measures the broker before any worker exists.
///
/// # Errors
/// The broker is gone.
pub(crate) fn at_rest(broker: &Broker, report: &mut Report) -> Setup<()> {
    let rss = processes::status_field(broker.pid(), "VmRSS").ok_or("no VmRSS")?;
    let kib: f64 = rss.split(' ').next().unwrap_or_default().parse()?;
    report.figure("broker_rss_mib", kib / 1024.0);
    std::thread::sleep(SETTLED);
    let before = wakeups(broker)?;
    std::thread::sleep(IDLE);
    let woken = wakeups(broker)? - before;
    report.figure("broker_idle_wakeups_per_s", woken / IDLE.as_secs_f64());
    Ok(())
}

/// Runs `streams` greedy streams at once over one connection.
///
/// # Errors
/// A stream ends in anything but `done`.
pub(crate) fn measure(broker: &Broker, streams: usize, tokens: u32) -> Setup<Sample> {
    stream::block_on(async {
        let client = stream::connect(broker).await?;
        let start = Instant::now();
        let mut tasks = Vec::new();
        for _ in 0..streams {
            let prompt = Prompt::Text(PROMPT.into());
            let request = stream::greedy(MODEL, prompt, tokens, Priority::Normal);
            tasks.push(tokio::spawn(stream::run(client.clone(), request)));
        }
        let mut times = Vec::new();
        for task in tasks {
            let tokens = task.await??.tokens;
            let first = *tokens.first().ok_or("a stream without a token")?;
            times.push((first, tokens[tokens.len() - 1]));
        }
        let first = times.iter().map(|(first, _)| *first).min().ok_or("no stream")?;
        // Decoding all of them starts when the last has its first token, as in the bare engine.
        let all = times.iter().map(|(first, _)| *first).max().ok_or("no stream")?;
        let last = times.iter().map(|(_, last)| *last).max().ok_or("no stream")?;
        #[expect(clippy::cast_precision_loss, reason = "some thousand tokens are exact in a float")]
        let count = streams as f64 * f64::from(tokens - 1);
        Ok(Sample {
            tokens_per_s: count / (last - all).as_secs_f64(),
            first_ms: (first - start).as_secs_f64() * 1e3,
        })
    })
}

/// CPU time of the broker for each token of a run of eight streams, in microseconds.
///
/// # Errors
/// As [`measure`].
pub(crate) fn cpu_us_per_token(broker: &Broker, tokens: u32) -> Setup<f64> {
    let before = cpu_s(broker)?;
    for _ in 0..4 {
        measure(broker, 8, tokens)?;
    }
    Ok((cpu_s(broker)? - before) * 1e6 / (4.0 * 8.0 * f64::from(tokens)))
}

/// Times that any thread of the broker was put to sleep or woken since its start.
fn wakeups(broker: &Broker) -> Setup<f64> {
    let mut sum = 0.0;
    for tid in processes::tasks(broker.pid()) {
        let count = processes::task_field(broker.pid(), tid, "voluntary_ctxt_switches");
        sum += count.ok_or("a thread ended")?.parse::<f64>()?;
    }
    Ok(sum)
}

fn cpu_s(broker: &Broker) -> Setup<f64> {
    let used = processes::cpu_time(broker.pid()).ok_or("the broker is gone")?;
    Ok(used.as_secs_f64())
}
