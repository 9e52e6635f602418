//! Every layer, really applied, in a process of its own.
//!
//! Each case starts this binary again with the case's name and a side: `locked`, where the layer is
//! applied before the attack, or `twin`, where it is not and the attack must succeed. How the child
//! ended is the evidence: its exit code is 0 for a success and 100 + errno for a refusal, and a
//! filter's kill is SIGSYS. Some cases need root (they give it up); without it they are skipped, by
//! name and in the closing line, because a skip is no pass.

#![expect(clippy::unwrap_used, reason = "a test's surprise ends the test")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this main reports its cases")]

mod absent;
mod attack;
mod attacks;
mod chain;
mod chain_worker;
mod domain;
mod gpu_attacks;
mod layout;
mod lying;
mod orphan;
mod outcome;
mod process;
mod stage;
mod stage_cases;
mod user;

use std::process::ExitCode;

use outcome::{Case, Outcome, Side};

/// Beginnings of the names of cases that become another user or give root up, or whose twin does
/// what only root may.
const NEED_ROOT: [&str; 11] = [
    "user.",
    "chain.",
    "process.threads-nproc",
    "process.setuid-after-caps",
    "absent.no-namespaces",
    "load.landlock",
    "serve.landlock",
    "load.prlimit-other",
    "serve.prlimit-other",
    "broker.unshare-mount",
    "broker.setuid",
];

/// The child's case and side, as `name/side`.
const CHILD: &str = "CORE_POLICY_CASE";

fn main() -> ExitCode {
    let cases: Vec<Case> = [
        stage_cases::cases(),
        domain::cases(),
        process::cases(),
        user::cases(),
        absent::cases(),
        lying::cases(),
        chain::cases(),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let Ok(child) = std::env::var(CHILD) {
        return run_child(&cases, &child);
    }
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let filter = filter.unwrap_or_default();
    let chosen: Vec<&Case> = cases.iter().filter(|case| case.name.contains(&filter)).collect();
    let (runs, left_out): (Vec<&Case>, Vec<_>) = chosen.iter().partition(|case| can_run(case));
    left_out.iter().for_each(|case| println!("skip   {}: it needs root", case.name));
    let failed = runs.iter().filter(|case| !passes(case)).count();
    println!("\n{} cases, {failed} failed, {} skipped", chosen.len(), left_out.len());
    ExitCode::from(u8::from(failed > 0 || chosen.is_empty()))
}

fn can_run(case: &Case) -> bool {
    let needs_root = NEED_ROOT.iter().any(|begin| case.name.starts_with(begin));
    nix::unistd::geteuid().is_root() || !needs_root
}

fn run_child(cases: &[Case], child: &str) -> ExitCode {
    if child == chain_worker::WORKER {
        return chain_worker::run().exit_code();
    }
    let (name, side) = child.rsplit_once('/').expect("name/side");
    let side = if side == "twin" { Side::Twin } else { Side::Locked };
    let case = cases.iter().find(|case| case.name == name).expect("a known case");
    (case.act)(side).exit_code()
}

fn passes(case: &Case) -> bool {
    let sides = [(Side::Twin, case.twin), (Side::Locked, Some(case.locked))];
    let mut good = true;
    for (side, expected) in sides {
        let Some(expected) = expected else { continue };
        let found = Outcome::of_child(&case.name, side);
        let verdict = if found == expected { "ok" } else { "FAILED" };
        println!("{verdict:6} {} {side:?}: {found:?}, expected {expected:?}", case.name);
        good &= found == expected;
    }
    good
}
