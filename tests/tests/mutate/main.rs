//! The mutation run: each rule of the filters, each right of a domain, each seal, each limit and
//! each step of the lockdown is taken away in turn from the programs that ship, and something must
//! go red: what must work stops working, an attack gets through, a look finds it, or the programs
//! refuse by themselves.
//!
//! Nothing is rebuilt: a tracer edits what a live process hands to the kernel. The mutants are
//! generated from the policy files and from what a start really asks of the kernel. That the kernel
//! holds what was reviewed (row S01) would notice every mutant of a filter by itself; it is not
//! asked here, because it says nothing about why a rule is needed.
//!
//! Prints a line for each mutant and writes `mutate/summary.json` in the target directory, which
//! rows S05 and T02 read. `cargo test --test mutate -- filter/worker` runs those that begin so and
//! writes nothing. Checks in the code that are marked `// guard` need a build each: `CORE_GUARDS=8`
//! tries eight that were not tried yet, `all` tries all, and those that were not tried are listed
//! and no part of the ratio.

#![expect(clippy::print_stdout, reason = "what is printed is the result")]

mod alive;
#[allow(dead_code, reason = "the suite's own loop needs more of an attack than a mutant does")]
#[path = "../conformance/attack.rs"]
mod attack;
mod boot;
mod changes;
#[allow(dead_code, reason = "the build needs more of it")]
#[path = "../../../policy/build/compile.rs"]
mod compile;
mod compiled;
mod domain;
mod explained;
mod filters;
mod guards;
mod live;
#[allow(dead_code, reason = "the build needs more of it")]
#[path = "../../../policy/build/names.rs"]
mod names;
mod report;
#[path = "../conformance/rows/mod.rs"]
mod rows;
#[allow(dead_code, reason = "the build needs more of it")]
#[path = "../../../policy/build/schema.rs"]
mod schema;
mod seals;
#[allow(dead_code, reason = "the mutation run has no check that it could leave out")]
#[path = "../conformance/skip.rs"]
mod skip;
mod started;
#[allow(dead_code, reason = "the suite asks more of its world")]
#[path = "../conformance/world/mod.rs"]
mod world;

use std::{cell::RefCell, process::ExitCode, rc::Rc};

use core_tests::harness::Setup;

use report::{Fate, Report};
use world::World;

/// What attacks are aimed at, shared by all mutants: its listeners have names of their own.
pub(crate) type Shared = Rc<RefCell<World>>;

/// A worker of the bench needs one CPU variant; the oldest runs everywhere.
const VARIANT: &str = "libggml-cpu-x64.so";

/// One protection that is taken away, and how it is tried.
pub(crate) struct Mutant {
    /// Its name: the set, the place, what is missing.
    pub(crate) id: String,
    /// Takes it away and tells what went red.
    pub(crate) run: Box<dyn Fn() -> Setup<Fate>>,
}

impl Mutant {
    pub(crate) fn new(id: String, run: impl Fn() -> Setup<Fate> + 'static) -> Self {
        Self { id, run: Box::new(run) }
    }
}

fn main() -> ExitCode {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if !nix::unistd::geteuid().is_root() {
        println!("the mutation run holds processes that are not dumpable: it needs root");
        return ExitCode::FAILURE;
    }
    match all(&wanted) {
        Ok(report) => report.end(wanted.is_empty()),
        Err(error) => {
            println!("the mutation run could not be made: {error}");
            ExitCode::FAILURE
        }
    }
}

fn all(wanted: &[String]) -> Setup<Report> {
    started::control().map_err(|error| format!("a whole broker and worker: {error}"))?;
    let mut report = Report::new();
    let world = Rc::new(RefCell::new(World::new()?));
    let sets = [filters::all(&world)?, domain::all(&world)?, boot::all(), seals::all()?];
    for mutant in sets.into_iter().flatten() {
        if wanted.is_empty() || wanted.iter().any(|start| mutant.id.starts_with(start.as_str())) {
            // One more try for what could not be made: a busy machine is no verdict.
            let fate = (mutant.run)().or_else(|_| (mutant.run)());
            report.tell(&mutant.id, fate);
        }
    }
    guarded(&mut report, wanted)?;
    Ok(report)
}

/// The checks in the code, as far as they were tried.
fn guarded(report: &mut Report, wanted: &[String]) -> Setup<()> {
    let all = guards::all()?;
    let (mut guards, mut not_run) = (guards::Guards::open(&all)?, Vec::new());
    for guard in all {
        let id = guard.id();
        if !wanted.is_empty() && !wanted.iter().any(|start| id.starts_with(start.as_str())) {
            continue;
        }
        match guards.fate(&guard) {
            Ok(Some(fate)) => report.tell(&id, Ok(fate)),
            Ok(None) => not_run.push(id),
            Err(error) => report.tell(&id, Err(error)),
        }
    }
    report.not_run(not_run);
    Ok(())
}
