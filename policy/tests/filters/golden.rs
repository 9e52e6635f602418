//! The reviewed list: what is allowed, with the hash of each program. A change of the policy shows
//! as a difference in tests/filters/golden.txt, where a reviewer sees it.

use std::fmt::Write;

use core_policy::profile::Profile;
use core_policy::seccomp::{self, Stage};

use crate::agree::{NUMBERS, classes, filters};
use crate::bpf::{self, ARCH_X86_64, Call};
use crate::reading::{Reading, Verdict};

/// The pid in these programs does not matter: it never appears in the list.
const PID: u32 = 31_337;

#[test]
fn what_is_allowed_is_what_was_reviewed() {
    compare(Profile::Cpu, concat!(env!("CARGO_MANIFEST_DIR"), "/tests/filters/golden.txt"));
}

#[test]
fn what_the_gpu_profile_allows_is_what_was_reviewed() {
    compare(Profile::Gpu, concat!(env!("CARGO_MANIFEST_DIR"), "/tests/filters/golden-gpu.txt"));
}

fn compare(profile: Profile, path: &str) {
    let found = list(profile);
    println!("{found}");
    if std::env::var_os("CORE_POLICY_GOLDEN_WRITE").is_some() {
        std::fs::write(path, &found).unwrap();
    }
    let reviewed = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(found, reviewed, "review, then run once with CORE_POLICY_GOLDEN_WRITE=1");
}

#[test]
fn the_limits_of_the_mission_hold() {
    assert!(seccomp::count(Stage::Serve) <= 20);
    assert!(seccomp::count(Stage::Load) <= 42);
    assert_eq!(seccomp::worker_filters(), 4);
    let gpu = |stage: Stage| stage.under(Profile::Gpu);
    assert!(seccomp::count(gpu(Stage::Serve)) <= 24);
    assert!(seccomp::count(gpu(Stage::Load)) <= 44);
    let filters = seccomp::filters(gpu(Stage::Load)) + seccomp::filters(gpu(Stage::Serve));
    assert_eq!(filters, seccomp::worker_filters());
    assert_eq!(seccomp::filters(gpu(Stage::Broker)), seccomp::filters(Stage::Broker));
}

fn list(profile: Profile) -> String {
    let mut text = String::new();
    for (stage, profile) in filters(profile) {
        let count = seccomp::count(stage);
        let hash = seccomp::filter_sha256(stage);
        writeln!(text, "[{profile}] {count} calls, sha256 {hash}").unwrap();
        let programs = seccomp::programs(stage, PID);
        let reading = Reading::of(profile, PID);
        for nr in 0..NUMBERS {
            let answer = |args| bpf::combined(&programs, &Call { nr, arch: ARCH_X86_64, args });
            let answers: Vec<u32> = classes(nr, &reading).into_iter().map(answer).collect();
            text += &line(nr, &answers).unwrap_or_default();
        }
    }
    text
}

/// One allowed call, with whether the filter looks at its arguments.
fn line(nr: u32, answers: &[u32]) -> Option<String> {
    let allowed = answers.iter().filter(|answer| **answer == Verdict::Allow.answer()).count();
    let how = if allowed == answers.len() { "any arguments" } else { "checked arguments" };
    (allowed > 0).then(|| format!("{nr} {} {how}\n", name(nr)))
}

fn name(nr: u32) -> &'static str {
    let all = filters(Profile::Gpu).into_iter().flat_map(|(filter, _)| seccomp::syscalls(filter));
    all.copied()
        .find(|name| crate::names::syscall(name) == Some(i64::from(nr)))
        .expect("an allowed call is listed")
}
