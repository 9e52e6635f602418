//! The security conformance suite: every row of the table is tried against the shipped programs,
//! and every denial has a control that shows what would happen without the layers.
//!
//! Prints a line for each check, then one for each row, and ends with `N passed, N failed,
//! N skipped` rows; a skip has its reason and is never a pass. The same goes to
//! `conformance/report.json` in the target directory. `cargo test --test conformance -- N01` runs
//! the rows that begin so. `CORE_GATE=release` makes every skip a failure.

#![expect(clippy::print_stdout, reason = "what is printed is the result")]

mod agent;
mod attack;
mod live;
mod older;
mod report;
mod rows;
mod skip;
mod table;
mod without;
mod world;

use core_tests::harness::{Bench, Setup};

use attack::Controls;
use report::{Report, State};
use world::World;

/// A worker of the bench needs one CPU variant; the oldest runs everywhere.
const VARIANT: &str = "libggml-cpu-x64.so";

/// What is wanted, and what came of it.
struct Run {
    filter: Vec<String>,
    report: Report,
    controls: Controls,
}

fn main() -> std::process::ExitCode {
    if let Some(ended) = without::wrapped().or_else(older::wrapped) {
        return ended;
    }
    let filter = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let mut run = Run { filter, report: Report::default(), controls: Controls::default() };
    if let Err(error) = run.attacks() {
        run.report.tell("----", "the bench", Err(error));
    }
    run.live();
    run.about_itself();
    run.end()
}

impl Run {
    fn wants(&self, row: &str) -> bool {
        self.filter.is_empty() || self.filter.iter().any(|start| row.starts_with(start.as_str()))
    }

    fn attacks(&mut self) -> Setup<()> {
        let mut world = World::new()?;
        let install = world.install();
        let bench = Bench { install: &install, variant: VARIANT };
        for attack in rows::all(&world) {
            if !self.wants(attack.row) {
                continue;
            }
            let outcome = attack.run(&bench, &mut world, &mut self.controls);
            self.report.tell(attack.row, &attack.what, outcome);
        }
        Ok(())
    }

    fn live(&mut self) {
        for row in live::all().into_iter().flatten().chain(agent::all()) {
            if self.wants(row.id) {
                self.report.tell(row.id, row.what, (row.check)());
            }
        }
    }

    /// The T rows: what this run says about itself.
    fn about_itself(&mut self) {
        for (id, what, check) in live::itself::all() {
            if self.wants(id) {
                let outcome = check(self.controls);
                self.report.tell(id, what, outcome);
            }
        }
    }

    fn end(self) -> std::process::ExitCode {
        let states = self.report.print_rows(|id| self.wants(id));
        match self.report.write() {
            Ok(file) => println!("\n{}", file.display()),
            Err(error) => println!("\nthe report could not be written: {error}"),
        }
        let count = |state| states.iter().filter(|found| **found == state).count();
        let (passed, failed) = (count(State::Pass), count(State::Fail));
        let skipped = count(State::Skip);
        println!("\n{passed} passed, {failed} failed, {skipped} skipped");
        let gate = std::env::var("CORE_GATE").is_ok_and(|gate| gate == "release");
        let good = failed == 0 && !states.is_empty() && !self.report.strangers();
        std::process::ExitCode::from(u8::from(!good || (gate && skipped > 0)))
    }
}
