//! What the filters answer, at both stages of a worker and in the broker.

use crate::attacks::{Attack, BY_STAGE, IN_BROKER, KILLED_AT_BOTH, tgkill};
use crate::gpu_attacks::{BY_GPU_STAGE, ON_GPU_ALLOWED};
use crate::outcome::{Case, KILLED, Outcome, Side};
use crate::stage::{At, leave};

const STAGES: [(At, &str); 2] = [(At::Load, "load"), (At::Serve, "serve")];
const GPU_STAGES: [(At, &str); 2] = [(At::GpuLoad, "gpu-load"), (At::GpuServe, "gpu-serve")];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (at, stage) in STAGES {
        cases.extend(KILLED_AT_BOTH.iter().map(|attack| case(at, stage, attack, KILLED)));
        cases.extend(deaths(at, stage));
    }
    for (attack, answers) in BY_STAGE {
        let both = STAGES.iter().zip(answers);
        cases.extend(both.map(|((at, stage), answer)| case(*at, stage, attack, *answer)));
    }
    let in_broker = IN_BROKER.iter();
    cases.extend(in_broker.map(|(attack, answer)| case(At::Broker, "broker", attack, *answer)));
    cases.extend(gpu_cases());
    cases
}

/// Under the GPU profile everything that kills still kills, but for what it names.
fn gpu_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let killed = KILLED_AT_BOTH.iter().filter(|attack| !ON_GPU_ALLOWED.contains(&attack.name));
    for (at, stage) in GPU_STAGES {
        cases.extend(killed.clone().map(|attack| case(at, stage, attack, KILLED)));
        cases.extend(deaths(at, stage));
    }
    for (attack, answers) in BY_GPU_STAGE {
        let both = GPU_STAGES.iter().zip(answers);
        cases.extend(both.map(|((at, stage), answer)| case(*at, stage, attack, *answer)));
    }
    let in_broker = IN_BROKER.iter();
    let at = At::GpuBroker;
    cases.extend(in_broker.map(|(attack, answer)| case(at, "gpu-broker", attack, *answer)));
    cases
}

fn case(at: At, stage: &str, attack: &'static Attack, locked: Outcome) -> Case {
    let act = attack.act;
    Case::new(format!("{stage}.{}", attack.name), locked, attack.twin, move |side| {
        at.attack(side, act)
    })
}

/// A crash is its own signal and never SIGSYS (row P27).
fn deaths(at: At, stage: &str) -> Vec<Case> {
    let death = |name: &str, signal: i32, twin: i32, act: fn()| {
        let (died, twin) = (Outcome::Signal(signal), Outcome::Signal(twin));
        Case::new(format!("{stage}.{name}"), died, twin, move |side: Side| {
            at.attack(side, || {
                act();
                0
            })
        })
    };
    vec![
        death("abort", libc::SIGABRT, libc::SIGABRT, || std::process::abort()),
        death("tgkill-abort", libc::SIGABRT, libc::SIGABRT, || {
            tgkill(libc::SIGABRT);
        }),
        // Without default signals Rust's handler turns an overflow into a message and an abort.
        death("overflow", libc::SIGSEGV, libc::SIGABRT, || {
            overflow(1);
        }),
        Case::new(format!("{stage}.exit"), Outcome::Success, Outcome::Success, move |side| {
            if side == Side::Locked {
                at.enter();
            }
            leave(Outcome::Success)
        }),
    ]
}

#[inline(never)]
#[expect(unconditional_recursion, reason = "the case is a stack overflow")]
fn overflow(depth: u64) -> u64 {
    std::hint::black_box([depth; 64]);
    overflow(std::hint::black_box(depth) + 1) + depth
}
