//! From the rows of policy to what `audit` and `status` show.

#[cfg(test)]
mod tests;

use core_policy::{
    landlock,
    profile::Profile,
    report::{Achieved, How, Name, Report, Required, Row, layer},
    seccomp::{self, Stage},
};
use core_wire::{
    client::{audit::AuditRow, status::SandboxStatus},
    worker::Claim,
};

/// Rows that a serving worker must have, each of them met, before its first prompt. A canary of
/// what a system does not have has no row; that one of them stands here is enough to know that they
/// ran.
const NEEDED_AT_READY: [Name; 13] = [
    layer::LANDLOCK_FILESYSTEM,
    layer::SECCOMP_LOAD,
    layer::SECCOMP_SERVE,
    layer::SECCOMP_ALL_THREADS,
    layer::NO_NEW_PRIVS,
    layer::DUMPABLE,
    layer::SEALS,
    layer::CAPS_EFFECTIVE,
    layer::RLIMITS,
    layer::FD_TABLE,
    layer::PDEATHSIG,
    layer::SINGLE_THREAD,
    layer::CANARY_ROOT,
];

/// What is known of one process, and when it was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    report: Report,
    /// When it was first looked at, in milliseconds since the epoch.
    locked_at_ms: u64,
    /// When it was last looked at.
    looked_at_ms: u64,
}

impl Seen {
    /// Takes rows in that were seen or said now.
    pub(crate) fn merge(&mut self, rows: impl IntoIterator<Item = Row>, now_ms: u64) {
        self.report.merge(rows);
        if self.locked_at_ms == 0 {
            self.locked_at_ms = now_ms;
        }
        self.looked_at_ms = now_ms;
    }

    /// The first required row that is there and does not hold.
    pub(crate) fn broken(&self) -> Option<&'static str> {
        self.report.missing_required().first().map(|row| row.name)
    }

    /// The first row that a serving worker must have and does not.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        let absent = NEEDED_AT_READY.iter().find(|name| self.report.row(**name).is_none());
        self.broken().or(absent.map(|name| name.text))
    }

    /// The rows as `audit` shows them.
    pub(crate) fn audit_rows(&self) -> Vec<AuditRow> {
        let rows = self.report.rows.iter();
        rows.map(|row| audit_row(row, self.when(row.how))).collect()
    }

    /// The rows of a worker: what it must have and was not seen with yet, as while it loads, is
    /// told as missing and not left out.
    pub(crate) fn worker_rows(&self) -> Vec<AuditRow> {
        let absent = NEEDED_AT_READY.into_iter().filter(|name| self.report.row(*name).is_none());
        let absent = absent.map(|name| Row::no(name, How::OutsideAtReady, "not seen yet"));
        let absent = absent.map(|row| audit_row(&row, self.looked_at_ms));
        self.audit_rows().into_iter().chain(absent).collect()
    }

    /// The summary that `status` shows; `verified` once the worker was looked at after READY.
    pub(crate) fn sandbox(&self, verified: Verified, profile: Profile) -> SandboxStatus {
        let filter = |stage: Stage| stage.under(profile);
        let count = |stage| u32::try_from(seccomp::count(filter(stage))).unwrap_or(u32::MAX);
        SandboxStatus {
            landlock_abi: u32::try_from(landlock::abi()).unwrap_or(0),
            seccomp_load: count(Stage::Load),
            seccomp_serve: count(Stage::Serve),
            filter_sha256: seccomp::filter_sha256(filter(Stage::Serve)),
            degraded: self.report.degraded(),
            verified: verified == Verified::AtReady && self.missing().is_none(),
        }
    }

    fn when(&self, how: How) -> u64 {
        match how {
            How::OutsideAtReady => self.looked_at_ms,
            // Never while this broker runs.
            How::Suite => 0,
            How::OutsideAtLocked | How::Canary | How::Seal | How::OwnWord | How::Probe => {
                self.locked_at_ms
            }
        }
    }
}

/// How far the looking has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verified {
    /// It is not ready yet.
    NotYet,
    /// It was looked at after READY.
    AtReady,
}

/// When a worker said something of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// At LOCKED: nothing but our own binary has run in it.
    BeforeModel,
    /// At READY: it has read a model, which may have taken it over.
    AfterModel,
}

/// The row that a worker claims by a code of two bytes; `None` for one that means nothing.
///
/// A canary is believed as such when nothing untrusted had been read by then, and so is the domain
/// that the canaries tried; everything else is the worker's own word.
pub(crate) fn claimed(claim: Claim, said: Said) -> Option<Row> {
    let mut row = Row::told(claim.0)?;
    let tried = row.name.starts_with("canary.") || row.name == layer::LANDLOCK_FILESYSTEM.text;
    if said == Said::BeforeModel && tried {
        row.how = How::Canary;
    }
    Some(row)
}

/// That no cgroup bounds a worker's memory, with what was found of cgroups at the start: this
/// version makes none even where one is delegated. A data limit and a watchdog stand in for it.
pub(crate) fn no_memory_cgroup(found: &Row) -> Row {
    Row::no(layer::MEMORY_CGROUP, How::OutsideAtLocked, found.value.clone())
}

/// What the broker knows of the rings, because it made and asked.
pub(crate) fn of_rings(degraded: &[&str]) -> [Row; 2] {
    let open = degraded.contains(&"ring.noexec_seal");
    let noexec = Row::met(layer::NOEXEC_SEAL, How::Seal, Achieved::from(!open), "both segments");
    [Row::yes(layer::SEALS, How::Seal, "asked of the kernel"), noexec]
}

fn audit_row(row: &Row, verified_at_ms: u64) -> AuditRow {
    AuditRow {
        name: row.name.to_owned(),
        required: match row.required {
            Required::Required => true,
            Required::Wanted => false,
        },
        achieved: match row.achieved {
            Achieved::Yes => true,
            Achieved::No | Achieved::Partial => false,
        },
        value: row.value.clone(),
        verified: how(row.how).to_owned(),
        verified_at_ms,
    }
}

fn how(how: How) -> &'static str {
    match how {
        How::OutsideAtLocked => "outside at LOCKED",
        How::OutsideAtReady => "outside at READY",
        How::Canary => "canary",
        How::Suite => "suite",
        How::Seal => "seals",
        How::OwnWord => "own word",
        How::Probe => "probe",
    }
}
