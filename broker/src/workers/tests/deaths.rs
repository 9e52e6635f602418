//! How processes end, and what they wrote.

use std::{os::unix::process::ExitStatusExt as _, process::ExitStatus};

use core_wire::{
    code::Code,
    worker::{Failed, FailedCause},
};

use crate::workers::{
    link::Breach,
    recover::{Ended, Verdict},
    watch::{Death, Lines},
};

fn ended(verdict: Option<Verdict>, raw: i32) -> Ended {
    Ended { verdict, death: Death::from(ExitStatus::from_raw(raw)) }
}

#[test]
fn deaths_are_told_apart() {
    let lost = |raw| ended(None, raw).while_serving();
    assert_eq!(lost(31).code, Code::PolicyViolation, "SIGSYS");
    for (raw, word) in
        [(11, "SIGSEGV"), (6, "SIGABRT"), (4, "SIGILL"), (7, "SIGBUS"), (9, "SIGKILL")]
    {
        let refusal = lost(raw);
        assert_eq!(refusal.code, Code::WorkerLost);
        assert!(refusal.message.contains(word), "{}", refusal.message);
        assert!(refusal.retry_after_ms.is_some());
        let loading = ended(None, raw).while_loading();
        assert_eq!(loading.code, Code::ModelLoad);
        assert!(loading.message.contains(word), "{}", loading.message);
    }
    assert!(lost(3 << 8).message.contains("exit code 3"));
    let hung = ended(Some(Verdict::Hung { silent_ms: 30_000 }), 9).while_serving();
    assert_eq!(hung.code, Code::WorkerHung);
    let breach = ended(Some(Verdict::Breach(Breach::Encode)), 9);
    assert_eq!(breach.while_serving().code, Code::PolicyViolation);
    assert_eq!(breach.while_loading().code, Code::PolicyViolation);
    let failed = Failed { cause: FailedCause::Memory, message: "too large".into() };
    assert_eq!(ended(Some(Verdict::Failed(failed)), 0).while_loading().code, Code::Memory);
}

#[test]
fn the_death_of_a_compiler_is_its_grammars_fault() {
    let late = || Some(Verdict::Late { compile_ms: 5_000 });
    for (how, lasting) in [
        (ended(None, 11), true),
        (ended(None, 31), true),
        (ended(None, 9), false),
        (ended(late(), 9), false),
    ] {
        assert_eq!(how.while_compiling().code, Code::BadGrammar, "{how:?}");
        assert_eq!(how.is_lasting(), lasting, "{how:?}");
    }
    assert!(ended(late(), 9).while_compiling().message.contains("5000 ms"));
    let breach = ended(Some(Verdict::Breach(Breach::Encode)), 9);
    assert_eq!(breach.while_compiling().code, Code::PolicyViolation);
    let greedy = ended(Some(Verdict::Greedy { asked_ms: 30_000 }), 9).while_serving();
    assert_eq!(greedy.code, Code::WorkerHung);
}

#[test]
fn what_a_worker_writes_is_made_harmless() {
    let mut lines = Lines::default();
    let mut all = Vec::new();
    for &byte in b"plain\n\n\x1b[31mred\x07\xff\n" {
        all.extend(lines.push(byte));
    }
    assert_eq!(all, ["plain", "?[31mred??"]);
    assert!((0..10_000).all(|_| lines.push(b'x').is_none()));
    assert_eq!(lines.push(b'\n').unwrap().len(), 256);
}

#[test]
fn a_changed_file_and_too_much_memory_are_told_while_loading_and_while_serving() {
    let changed = ended(Some(Verdict::Changed { file: "m.gguf".into() }), 9);
    let memory = ended(Some(Verdict::Memory { used: 300, granted: 200 }), 9);
    for (how, code, words) in [
        (changed, Code::ModelChanged, ["m.gguf", "changed"]),
        (memory, Code::Memory, ["300", "200"]),
    ] {
        for refusal in [how.while_serving(), how.while_loading(), how.while_compiling()] {
            assert_eq!(refusal.code, code);
            assert!(refusal.retry_after_ms.is_some(), "it helps to try again");
            assert!(words.iter().all(|word| refusal.message.contains(word)), "{refusal}");
        }
        let verdict = how.verdict.as_ref().expect("one").to_string();
        assert!(words.iter().all(|word| verdict.contains(word)), "{verdict}");
    }
}
