//! The security conformance suite: every row is tried against the shipped worker, and every denial
//! has a control that shows what would happen without the layer.
//!
//! Prints a line for each attack and ends with `N passed, N failed`; a skip would be listed with
//! its reason and is never a pass. `cargo test --test conformance -- N01` runs the rows that begin
//! so.

#![expect(clippy::print_stdout, reason = "what is printed is the result")]

mod agent;
mod attack;
mod live;
mod rows;
mod world;

use core_tests::harness::{Bench, Setup};

use world::World;

/// A worker of the bench needs one CPU variant; the oldest runs everywhere.
const VARIANT: &str = "libggml-cpu-x64.so";

/// Counts and prints.
struct Tally {
    filter: Vec<String>,
    passed: u32,
    failed: u32,
    skipped: u32,
}

fn main() -> std::process::ExitCode {
    let filter = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let mut tally = Tally { filter, passed: 0, failed: 0, skipped: 0 };
    if nix::unistd::geteuid().is_root() {
        run(&mut tally);
    } else {
        tally.skip_all();
    }
    let Tally { passed, failed, skipped, .. } = tally;
    println!("\n{passed} passed, {failed} failed, {skipped} skipped");
    std::process::ExitCode::from(u8::from(failed > 0 || passed + skipped == 0))
}

fn run(tally: &mut Tally) {
    if let Err(error) = attacks(tally) {
        tally.tell("----", "the bench", Err(error));
    }
    for row in live::all().into_iter().flatten().chain(agent::all()) {
        if tally.wants(row.id) {
            tally.tell(row.id, row.what, (row.check)());
        }
    }
}

fn attacks(tally: &mut Tally) -> Setup<()> {
    let mut world = World::new()?;
    let model = std::path::PathBuf::from(&world.model);
    for attack in rows::all(&world) {
        if !tally.wants(attack.row) {
            continue;
        }
        let bench = Bench { install: &world.install, variant: VARIANT };
        let outcome = attack.run(&bench, &model).and_then(|()| world.unharmed());
        tally.tell(attack.row, &attack.what, outcome);
    }
    Ok(())
}

impl Tally {
    fn wants(&self, row: &str) -> bool {
        self.filter.is_empty() || self.filter.iter().any(|start| row.starts_with(start.as_str()))
    }

    /// A worker is not dumpable: only root may trace it, and nothing less would be an attack on the
    /// program that ships.
    fn skip_all(&mut self) {
        println!("every row: skipped, because ptrace of a worker needs root; run this as root");
        self.skipped += 1;
    }

    fn tell(&mut self, row: &str, what: &str, outcome: Setup<()>) {
        match outcome {
            Ok(()) => {
                self.passed += 1;
                println!("{row:4} pass  {what}");
            }
            Err(error) => {
                self.failed += 1;
                println!("{row:4} FAIL  {what}: {error}");
            }
        }
    }
}
