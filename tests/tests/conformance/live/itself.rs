//! T01, T03, T04: that this suite can tell a sandbox from none, and a skip from a pass.

use std::path::Path;

use core_tests::harness::{Bench, Layers, Setup, Stage};

use super::{
    ensure,
    look::{LOOKS, Subject},
};
use crate::{
    VARIANT,
    attack::Controls,
    report::{Report, State},
    skip::{needs_root, skip},
    world::World,
};

/// A check of what the run did.
type Check = fn(Controls) -> Setup<()>;

/// Row, title and check.
pub(crate) fn all() -> [(&'static str, &'static str, Check); 4] {
    [
        ("T01", "every attack was also tried without any layer", controls),
        ("T03", "a skip is listed and is no pass", skips),
        ("T04", "no attack's verdict is met by a worker without a sandbox", told_apart),
        ("T04", "no look at a worker without a sandbox passes", looks),
    ]
}

fn controls(controls: Controls) -> Setup<()> {
    let Controls { executed, attacks, .. } = controls;
    ensure(attacks > 0 && executed == attacks, || format!("{executed} of {attacks} controls"))
}

fn told_apart(controls: Controls) -> Setup<()> {
    let Controls { told_apart, attacks, .. } = controls;
    ensure(attacks > 0 && told_apart == attacks, || format!("{told_apart} of {attacks}"))
}

fn skips(_: Controls) -> Setup<()> {
    let mut report = Report::default();
    report.record("F01", "passes", Ok(()));
    report.record("F01", "is left out", skip("for this test"));
    report.record("F02", "passes", Ok(()));
    report.record("F03", "fails", Err("as it should".into()));
    report.record("F03", "is left out", skip("for this test"));
    let found = ["F01", "F02", "F03", "F04"].map(|id| report.row(id).0);
    let expected = [State::Skip, State::Pass, State::Fail, State::Fail];
    ensure(found == expected, || format!("{found:?} instead of {expected:?}"))
}

fn looks(_: Controls) -> Setup<()> {
    needs_root("looking at every file of a process, and at its filters,")?;
    let world = World::new()?;
    let install = world.install();
    let bench = Bench { install: &install, variant: VARIANT };
    let held = bench.hold(Path::new(&world.model), Stage::Start, Layers::NONE)?;
    let subject = Subject { worker: held.tracee.pid(), broker: std::process::id() };
    let fooled: Vec<&str> =
        LOOKS.iter().filter(|(_, look)| look(subject).is_ok()).map(|(row, _)| *row).collect();
    ensure(fooled.is_empty(), || format!("{fooled:?} pass"))?;
    ensure(held.tracee.filters().is_err(), || "it has a filter".into())
}
