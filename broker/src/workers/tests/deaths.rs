//! How processes end, and what they wrote.

use std::{os::unix::process::ExitStatusExt as _, process::ExitStatus};

use core_wire::{
    code::Code,
    worker::{Failed, FailedCause},
};

use crate::workers::{
    cause::Cause,
    link::Breach,
    recover::{Ended, Verdict},
    watch::{Death, LastWords, Lines, Said},
};

fn ended(verdict: Option<Verdict>, raw: i32) -> Ended {
    ended_saying(verdict, raw, &[])
}

/// With what its log had last.
fn ended_saying(verdict: Option<Verdict>, raw: i32, lines: &[&str]) -> Ended {
    let last = LastWords::default();
    lines.iter().for_each(|line| last.heard(line));
    let said = last.said();
    let death = Death::from(ExitStatus::from_raw(raw)).explained(&said, false);
    Ended { verdict, death, said }
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

#[test]
fn an_assertion_is_told_with_the_end_of_its_worker() {
    let line = "/some/where/ggml/src/ggml.c:42: GGML_ASSERT(a == b) failed";
    let died = ended_saying(None, 6, &["loading", line, "a line without a word of it"]);
    assert_eq!(died.cause(), Cause::Abort);
    for refusal in [died.while_serving(), died.while_loading()] {
        assert!(refusal.message.contains("SIGABRT"), "{refusal}");
        let words = "said: ggml.c:42: GGML_ASSERT(a == b) failed";
        assert!(refusal.message.contains(words), "{refusal}");
        assert!(!refusal.message.contains("/some"), "no directory of whoever built it: {refusal}");
        assert!(!refusal.message.contains("loading"), "nothing beside it: {refusal}");
    }
    let silent = ended_saying(None, 6, &["loading"]);
    assert_eq!(silent.said, Said::default());
    assert!(!silent.while_serving().message.contains("said"));
}

#[test]
fn last_words_are_few_and_short() {
    let long = format!("GGML_ASSERT({}) failed", "x".repeat(1000));
    let lines = ["panic at lib.rs:1", &long, "1", "2", "3"];
    let said = ended_saying(None, 6, &lines).said.words.expect("it said so");
    assert!(said.starts_with("GGML_ASSERT(xxx") && said.len() < 250, "{said}");
    let forgotten = ["panic at lib.rs:1", "1", "2", "3", "4"];
    assert_eq!(ended_saying(None, 6, &forgotten).said.words, None, "that was not its end");
}

#[test]
fn lack_of_memory_is_told_from_other_ends() {
    for line in [
        "memory allocation of 4096 bytes failed",
        "  what():  std::bad_alloc",
        "ggml_aligned_malloc: insufficient memory (attempted to allocate  12.00 MB)",
    ] {
        let died = ended_saying(None, 6, &["terminate called", line]);
        assert_eq!((died.death, died.cause()), (Death::NoAllocation, Cause::Memory), "{line}");
        for refusal in [died.while_serving(), died.while_loading()] {
            assert_eq!(refusal.code, Code::Memory);
            assert!(refusal.message.contains("refused memory"), "{refusal}");
        }
    }
    // A process that was killed says nothing: there the kernel's counter tells.
    let killed = Death::from(ExitStatus::from_raw(9));
    let explained = |kernel_killed| killed.explained(&Said::default(), kernel_killed);
    assert_eq!(explained(true), Death::NoMemory);
    assert_eq!(explained(false), Death::Signal(9));
    let ended = |death| Ended { verdict: None, death, said: Said::default() };
    assert_eq!(ended(Death::NoMemory).cause(), Cause::Memory);
    let compiling = ended(Death::NoMemory).while_compiling();
    assert_eq!(compiling.code, Code::Memory, "of which no grammar need be the cause");
    assert!(compiling.retry_after_ms.is_some());
    assert!(Cause::Memory.is_its_own() && !ended(explained(false)).cause().is_its_own());
    // Neither explains another end.
    let said = Said { words: None, of_memory: true };
    for raw in [11, 31, 7, 3 << 8] {
        let death = Death::from(ExitStatus::from_raw(raw));
        assert_eq!(death.explained(&said, true), death);
    }
}
