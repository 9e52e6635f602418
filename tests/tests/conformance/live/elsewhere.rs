//! S05, S06, S07, H14, T02: rows whose proof is another test program of this workspace. It is run
//! by name, and its closing line is read: a program that is not there has not passed.

use std::{fs, process::Command};

use core_tests::harness::{Setup, install::release_dir};
use serde_json::Value;

use super::ensure;
use crate::{report::programs, skip::skip};

/// S06: mistakes in a policy file that must end the build.
pub(super) fn empty_conditions() -> Setup<()> {
    passes(&["-p", "core-policy", "--test", "filters", "build::"], 5)
}

/// S07: the compiled programs against a reading of the policy, on every class of arguments.
pub(super) fn two_interpreters() -> Setup<()> {
    passes(&["-p", "core-policy", "--test", "filters", "agree::"], 4)
}

/// H14: the models of the ring, with each fence and without, and the queue that it must equal.
pub(super) fn ring_models() -> Setup<()> {
    passes(&["-p", "core-ring", "--lib", "ring::"], 8)
}

/// H14: undefined behaviour, by the interpreter.
pub(super) fn miri() -> Setup<()> {
    let installed = Command::new("cargo").args(["+nightly", "miri", "--version"]).output();
    if !installed.is_ok_and(|output| output.status.success()) {
        return skip("Miri is not installed");
    }
    if std::env::var_os("CORE_MIRI").is_none() {
        return skip("Miri takes minutes: set CORE_MIRI=1");
    }
    let mut command = Command::new("cargo");
    command.args(["+nightly", "miri", "test", "-p", "core-ring", "--lib", "ring::tests::cells"]);
    let output = command.current_dir(workspace()).output()?;
    ensure(output.status.success(), || String::from_utf8_lossy(&output.stderr).into_owned())
}

/// L03: the one function that starts workers refuses any thread but main, in every build.
pub(super) fn main_thread_alone() -> Setup<()> {
    of_broker("a_thread_other_than_main_starts_no_worker", 1)
}

/// R03: what the broker itself keeps in cache/ stays within its quota.
pub(super) fn quota() -> Setup<()> {
    of_broker("memory::cache::tests::", 8)
}

/// The broker's own tests of this name. With the packages of `make test`, so that nothing is built
/// again with fewer features.
fn of_broker(name: &str, least: u32) -> Setup<()> {
    passes(&["--workspace", "--exclude", "core-tests", "--bin", "core-broker", name], least)
}

/// S05, T02: what the mutation run found, when it has run for these very programs.
pub(super) fn mutants() -> Setup<()> {
    let release = release_dir()?;
    let dir = release.parent().ok_or("a release directory without a parent")?;
    let Ok(text) = fs::read_to_string(dir.join("mutate/summary.json")) else {
        return skip("the mutation run takes longer than this suite: make mutate");
    };
    let summary: Value = serde_json::from_str(&text)?;
    for (name, hash) in programs()? {
        if summary["sha256"][&name] != hash {
            return skip(format!("the mutation run was made for another {name}: make mutate"));
        }
    }
    let ratio = summary["kill_ratio"].as_f64().ok_or("no kill_ratio")?;
    let unexplained = summary["unexplained"].as_u64().ok_or("no count of the unexplained")?;
    ensure(ratio >= KILLED_MIN && unexplained == 0, || {
        format!("{:.1} % are noticed, {unexplained} survive unexplained", ratio * 100.0)
    })
}

/// The bound: what survives has an explanation.
const KILLED_MIN: f64 = 0.95;

/// Runs tests of this workspace; at least `least` of them must pass, and none may fail.
fn passes(arguments: &[&str], least: u32) -> Setup<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["test", "--release", "--offline"]).args(arguments).current_dir(workspace());
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => return skip(format!("cargo cannot be started: {error}")),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = |word: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix("test result: "));
        lines.filter_map(|line| before(line, word)).sum::<u32>()
    };
    let (passed, failed) = (count(" passed"), count(" failed"));
    ensure(output.status.success() && passed >= least && failed == 0, || {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or_default().to_owned();
        format!("{passed} passed, {failed} failed, at least {least} wanted: {last}")
    })
}

/// The number in front of a word.
fn before(line: &str, word: &str) -> Option<u32> {
    let (front, _) = line.split_once(word)?;
    front.rsplit(' ').next()?.parse().ok()
}

fn workspace() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/..")
}
