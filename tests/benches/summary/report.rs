//! What is printed and what is written.

use std::fs;

use core_tests::harness::Setup;
use serde_json::{Map, Value, json};

use crate::{output_dir, rates::Sample};

/// Figures and raw samples of one run.
pub(crate) struct Report {
    summary: Map<String, Value>,
    ratios: Map<String, Value>,
    samples: Vec<Value>,
}

impl Report {
    /// An empty report with the machine described.
    pub(crate) fn new() -> Self {
        let mut summary = Map::new();
        summary.insert("machine".into(), machine());
        Self { summary, ratios: Map::new(), samples: Vec::new() }
    }

    /// Keeps one round's pair of samples.
    pub(crate) fn sample(&mut self, streams: usize, round: usize, bare: Sample, broker: Sample) {
        println!(
            "{streams:2} streams, round {round}: bare {:7.1} tok/s, broker {:7.1} tok/s, {:.3}",
            bare.tokens_per_s,
            broker.tokens_per_s,
            broker.tokens_per_s / bare.tokens_per_s
        );
        self.samples.push(json!({
            "streams": streams,
            "round": round,
            "bare_tokens_per_s": bare.tokens_per_s,
            "bare_first_ms": bare.first_ms,
            "broker_tokens_per_s": broker.tokens_per_s,
            "broker_first_ms": broker.first_ms,
        }));
    }

    /// Keeps the median ratio of a number of streams.
    pub(crate) fn ratio(&mut self, streams: usize, ratios: &[f64]) {
        println!("{streams:2} streams: broker / bare = {:.3}", median(ratios));
        self.ratios.insert(streams.to_string(), median(ratios).into());
    }

    /// Keeps a single figure.
    pub(crate) fn figure(&mut self, name: &str, value: f64) {
        println!("{name} = {value:.2}");
        self.summary.insert(name.into(), value.into());
    }

    /// Keeps the raw samples of one round of a part.
    pub(crate) fn raw(&mut self, part: &str, round: usize, samples: &[(&str, &[f64])]) {
        let mut entry = Map::new();
        entry.insert("part".into(), part.into());
        entry.insert("round".into(), round.into());
        entry.extend(samples.iter().map(|(name, values)| ((*name).into(), json!(values))));
        self.samples.push(entry.into());
    }

    /// Writes the files.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(crate) fn write(mut self) -> Setup<()> {
        if !self.ratios.is_empty() {
            self.summary.insert("broker_over_bare".into(), self.ratios.into());
        }
        let dir = output_dir()?;
        fs::create_dir_all(&dir)?;
        let summary = serde_json::to_string_pretty(&self.summary)?;
        fs::write(dir.join("summary.json"), summary)?;
        let samples = serde_json::to_string_pretty(&self.samples)?;
        fs::write(dir.join("samples.json"), samples)?;
        println!("written: {}", dir.join("summary.json").display());
        Ok(())
    }
}

/// The middle sample; the mean of the middle two where there are two.
pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
    match (sorted.get(low), sorted.get(high)) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => f64::NAN,
    }
}

/// The smallest sample that at least a share `q` of all do not exceed.
pub(crate) fn quantile(samples: &[f64], q: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "some thousand samples; the share is within 0 and 1"
    )]
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

fn machine() -> Value {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    json!({ "cpu": model.map(|(_, name)| name), "cores": cores, "kernel": kernel.trim() })
}
