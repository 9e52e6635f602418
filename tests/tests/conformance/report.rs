//! What came of every check: a line for each as it ends, then a line for each row of the table, and
//! the same as a file beside it.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use core_tests::harness::{Setup, install::release_dir};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    skip::Skip,
    table::{COUNT, ROWS},
};

/// What came of one check, or of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Pass,
    Fail,
    Skip,
}

/// One check that was made.
#[derive(Debug)]
pub(crate) struct Made {
    what: String,
    state: State,
    /// Why it failed or was left out; empty for a pass.
    reason: String,
}

/// Everything that was made, by row.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: BTreeMap<String, Vec<Made>>,
}

impl State {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::Skip => "skip",
        }
    }
}

impl Report {
    /// Takes one check in, and prints its line.
    pub(crate) fn tell(&mut self, row: &str, what: &str, outcome: Setup<()>) {
        let (state, reason) = self.record(row, what, outcome);
        let colon = if reason.is_empty() { "" } else { ": " };
        println!("{row:4} {}  {what}{colon}{reason}", state.word());
    }

    /// Takes one check in.
    pub(crate) fn record(&mut self, row: &str, what: &str, outcome: Setup<()>) -> (State, String) {
        let (state, reason) = match outcome {
            Ok(()) => (State::Pass, String::new()),
            Err(error) if error.is::<Skip>() => (State::Skip, error.to_string()),
            Err(error) => (State::Fail, error.to_string()),
        };
        let made = Made { what: what.into(), state, reason: reason.clone() };
        self.rows.entry(row.into()).or_default().push(made);
        (state, reason)
    }

    /// The state of a row: a failure outweighs everything, a skip is never a pass, and a row
    /// without a check has failed.
    pub(crate) fn row(&self, id: &str) -> (State, String) {
        let made = self.rows.get(id).map(Vec::as_slice).unwrap_or_default();
        if made.is_empty() {
            return (State::Fail, "no check covers this row".into());
        }
        let worst = |state| made.iter().find(|check| check.state == state);
        match worst(State::Fail).or(worst(State::Skip)) {
            Some(check) => (check.state, format!("{}: {}", check.what, check.reason)),
            None => (State::Pass, String::new()),
        }
    }

    /// The states of the rows that `wanted` names, with a line for each.
    pub(crate) fn print_rows(&self, wanted: impl Fn(&str) -> bool) -> Vec<State> {
        println!();
        let rows = ROWS.iter().filter(|(id, _)| wanted(id));
        rows.map(|(id, title)| {
            let (state, reason) = self.row(id);
            let checks = self.rows.get(*id).map_or(0, Vec::len);
            let reason = if reason.is_empty() { reason } else { format!("  ({reason})") };
            println!("{id:4} {}  {checks:3}  {title}{reason}", state.word());
            state
        })
        .collect()
    }

    /// Checks that were made of rows which the table does not have, such as the bench itself.
    pub(crate) fn strangers(&self) -> bool {
        self.rows.iter().any(|(id, made)| {
            let known = ROWS.iter().any(|(row, _)| row == id);
            !known && made.iter().any(|check| check.state == State::Fail)
        })
    }

    /// Writes the same for programs.
    ///
    /// # Errors
    /// The file cannot be written, or a program not be read.
    pub(crate) fn write(&self) -> Setup<PathBuf> {
        let release = release_dir()?;
        let dir = release.parent().ok_or("a release directory without a parent")?;
        let dir = dir.join("conformance");
        fs::create_dir_all(&dir)?;
        let rows: Vec<Value> = ROWS.iter().map(|(id, title)| self.json(id, title)).collect();
        let programs: serde_json::Map<String, Value> =
            programs()?.into_iter().map(|(name, hash)| (name, hash.into())).collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let report = json!({
            "at_s": now, "kernel": kernel.trim(), "uid": nix::unistd::geteuid().as_raw(),
            "sha256": programs, "count": COUNT, "rows": rows,
        });
        let file = dir.join("report.json");
        fs::write(&file, serde_json::to_string_pretty(&report)?)?;
        Ok(file)
    }

    fn json(&self, id: &str, title: &str) -> Value {
        let (state, reason) = self.row(id);
        let made = self.rows.get(id).map(Vec::as_slice).unwrap_or_default();
        let check = |check: &Made| {
            let outcome = check.state.word();
            json!({"what": check.what, "outcome": outcome, "reason": check.reason})
        };
        json!({
            "row": id, "title": title, "state": state.word(), "reason": reason,
            "checks": made.iter().map(check).collect::<Vec<_>>(),
        })
    }
}

/// The SHA-256 of each program that ships, by its name.
///
/// # Errors
/// One cannot be read.
pub(crate) fn programs() -> Setup<Vec<(String, String)>> {
    let release = release_dir()?;
    let hash = |name: &str| -> Setup<(String, String)> {
        let hash = Sha256::digest(fs::read(release.join(name))?);
        Ok((name.into(), hash.iter().map(|byte| format!("{byte:02x}")).collect()))
    };
    ["core-broker", "core-worker", "corectl"].into_iter().map(hash).collect()
}
