//! `make bench`: this runtime beside the bare engine, in one run, interleaved.
//!
//! Prints ratios and writes `target/bench/summary.json` (keys of the contract; what was not
//! measured is absent) with the raw samples beside it. Each part measures what it compares in
//! turns, and who goes first changes from round to round, so that a machine whose speed drifts
//! moves both; a figure is the median over rounds. `make bench ONLY=gap,cancel` runs these parts.

#![expect(clippy::print_stdout, reason = "what is printed is the result")]

mod broker;
mod cached;
mod cancel;
mod depth;
mod gap;
mod load;
mod rates;
mod recovery;
mod report;
mod stream;

use std::path::Path;

use core_tests::{
    gguf::{self, Shape},
    harness::{Broker, Install, Setup, install},
};

use report::Report;

/// Threads of both engines.
const THREADS: u32 = 2;

/// What `core.toml` has for `step_ms_max` when it says nothing.
const STEP_MS_MAX: u32 = 100;

/// What is measured, by the name that `ONLY` takes, in this order: the broker at rest has to be
/// looked at before any worker exists.
const PARTS: [(&str, Part); 8] = [
    ("rest", broker::at_rest),
    ("rates", rates::measure),
    ("gap", gap::measure),
    ("depth", depth::measure),
    ("load", load::measure),
    ("cancel", cancel::measure),
    ("cached", cached::measure),
    ("recovery", recovery::measure),
];
/// One part: it loads what it needs, and unloads it.
type Part = fn(&Broker, &mut Report) -> Setup<()>;

fn main() -> Setup<()> {
    let parts = chosen(&std::env::var("CORE_BENCH_ONLY").unwrap_or_default())?;
    let broker = Broker::start(install()?, &[])?;
    let mut report = Report::new();
    let mut failed = Vec::new();
    for (name, part) in parts {
        let start = std::time::Instant::now();
        // What the other parts give is worth having: a part that fails leaves its keys out.
        if let Err(error) = part(&broker, &mut report) {
            println!("{name} failed: {error}\n{}", broker.log());
            failed.push(name);
        }
        println!("{name}: {:.0} s", start.elapsed().as_secs_f64());
    }
    report.write()?;
    if failed.is_empty() { Ok(()) } else { Err(failed.join(", ").into()) }
}

/// The parts that were asked for, all of them when none was.
fn chosen(only: &str) -> Setup<Vec<(&'static str, Part)>> {
    let names: Vec<&str> = only.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if let Some(name) = names.iter().find(|name| PARTS.iter().all(|(part, _)| part != *name)) {
        let known = PARTS.map(|(name, _)| name).join(", ");
        return Err(format!("ONLY={name}: no such part; there are {known}").into());
    }
    let wanted = |name: &str| names.is_empty() || names.contains(&name);
    Ok(PARTS.into_iter().filter(|(name, _)| wanted(name)).collect())
}

/// The models of all parts: two files under several names, each served in its own way.
fn install() -> Setup<Install> {
    let install = Install::new()?;
    gguf::write_model(&Shape::m164(), &install.model(rates::MODEL))?;
    gguf::write_model(&Shape::wide(), &install.model(gap::MODEL))?;
    for engine in ["bare", "bare-steps"] {
        install.add_engine(engine)?;
    }
    let large = [rates::SERVED, depth::SERVED, load::SERVED, cancel::SERVED, cached::SERVED];
    let large = large.into_iter().chain([recovery::SERVED, recovery::STANDBY]);
    let large: String = large.map(|served| served.table(rates::MODEL)).collect();
    // The table of the one with a spare is the last.
    let large = large + "standby = true\n";
    let wide = [gap::SERVED, gap::FINEST].map(|served| served.table(gap::MODEL));
    let wide = wide.concat();
    let config = format!("[defaults]\nthreads = {THREADS}\n{large}{wide}");
    std::fs::write(install.root().join("core.toml"), config)?;
    Ok(install)
}

/// How a model is served.
#[derive(Clone, Copy)]
pub(crate) struct Served {
    /// Its id.
    pub(crate) model: &'static str,
    /// Cells of its KV cache.
    pub(crate) n_ctx: u32,
    /// Sequences at once.
    pub(crate) slots: usize,
    /// The longest step that is aimed at, in milliseconds.
    pub(crate) step_ms_max: u32,
}

impl Served {
    /// Its table in `core.toml`, served from the file of the model `file`.
    fn table(&self, file: &str) -> String {
        let Self { model, n_ctx, slots, step_ms_max } = self;
        format!(
            "[models.{model}]\nfile = \"{file}.gguf\"\nn_ctx = {n_ctx}\nslots = {slots}\n\
             step_ms_max = {step_ms_max}\n"
        )
    }
}

/// Rounds of a part, which a quick look may want fewer of.
///
/// # Errors
/// What the environment says is no number.
pub(crate) fn rounds(usual: usize) -> Setup<usize> {
    match std::env::var("CORE_BENCH_ROUNDS") {
        Ok(text) => Ok(text.parse()?),
        Err(_) => Ok(usual),
    }
}

/// Unloads a model, so that the next part has the machine for itself.
///
/// # Errors
/// It is not unloaded.
pub(crate) fn unload(broker: &Broker, model: &str) -> Setup<()> {
    match broker.corectl(&["unload", model]) {
        output if output.code == 0 => Ok(()),
        output => Err(format!("unload {model}: {output:?}").into()),
    }
}

/// Where the results go: `target/bench`, beside the release directory.
fn output_dir() -> Setup<std::path::PathBuf> {
    let release = install::release_dir()?;
    let target = release.parent().unwrap_or(Path::new("."));
    Ok(target.join("bench"))
}
