//! From exec to READY, and the ways not to get there.

use std::{
    fs,
    os::{fd::OwnedFd, unix::process::ExitStatusExt},
    path::{Path, PathBuf},
    process::Command,
};

use core_policy::{report::Row, seccomp};
use core_wire::worker::{FailedCause, Purpose, ToBroker, ToWorker, config::Load};

use crate::player::{Worker, engine, greedy, model, serve, variants};

/// A line of /proc/self/status.
fn own_status(field: &str) -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.unwrap().trim_start_matches(':').trim().to_owned()
}

#[test]
fn a_worker_is_locked_down_when_it_says_so() {
    let mut worker = Worker::start(serve(|_| {}), &[&model()]);
    let locked = worker.locked();
    let rows: Vec<Row> = locked.claims.iter().filter_map(|claim| Row::told(claim.0)).collect();
    assert_eq!(rows.len(), locked.claims.len(), "every claim is a row of policy");
    assert!(rows.len() >= 10, "{rows:?}");
    assert_eq!(worker.status("Threads"), ["1"]);
    assert_eq!(worker.status("NoNewPrivs"), ["1"]);
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(worker.status(set), ["0000000000000000"], "{set}");
    }
    let own = own_status("Seccomp_filters");
    assert_eq!(worker.status("Seccomp_filters"), [own], "the filters come after GO");
}

#[test]
fn a_ready_worker_has_both_filters_on_every_thread_and_serves() {
    let (mut worker, ready) = Worker::ready(&model(), |_| {});
    let answer = worker.complete("Once", greedy(4));
    assert_eq!(answer.tokens.len(), 4);
    let modes = worker.status("Seccomp");
    assert_eq!(modes, vec!["2"; ready.threads as usize]);
    let own: usize = own_status("Seccomp_filters").parse().unwrap();
    let all = (own + seccomp::worker_filters()).to_string();
    assert_eq!(worker.status("Seccomp_filters"), vec![all; modes.len()]);
    assert_eq!(worker.status("CapEff"), vec!["0000000000000000"; modes.len()]);
    assert!(ready.facts.n_vocab > 0 && ready.facts.n_ctx > 0 && ready.facts.slots == 4);
    assert!(ready.locked_us > 0 && ready.load_us > 0);
}

#[test]
fn every_number_of_threads_is_locked_down_as_a_whole() {
    for threads in [1, 3, 8] {
        let (mut worker, ready) = Worker::ready(&model(), |plan| plan.threads = threads);
        assert_eq!(worker.complete("Once", greedy(3)).tokens.len(), 3);
        assert_eq!(ready.threads, threads);
        assert_eq!(worker.status("Seccomp"), vec!["2"; threads as usize]);
        assert_eq!(worker.status("NoNewPrivs"), vec!["1"; threads as usize]);
    }
}

#[test]
fn stop_ends_it_cleanly_at_any_time() {
    let (mut ready, _) = Worker::ready(&model(), |_| {});
    ready.tell(&ToWorker::Stop);
    let (status, log) = ready.end();
    assert_eq!((status.code(), log.as_str()), (Some(0), ""));
    let mut locked = Worker::start(serve(|_| {}), &[&model()]);
    locked.locked();
    locked.tell(&ToWorker::Stop);
    assert_eq!(locked.end().0.code(), Some(0));
    let (mut vocabulary, _) = Worker::ready(&model(), |plan| plan.load = Load::Vocabulary);
    vocabulary.tell(&ToWorker::Stop);
    let (status, log) = vocabulary.end();
    assert_eq!((status.code(), log.as_str()), (Some(0), ""), "and no SIGSYS on the way out");
}

#[test]
fn a_crash_is_a_crash_and_no_policy_violation() {
    for signal in [11, 7, 6] {
        let (worker, _) = Worker::ready(&model(), |_| {});
        let pid = worker.child.id().to_string();
        let kill = Command::new("kill").args([format!("-{signal}"), pid]).status();
        assert!(kill.unwrap().success());
        assert_eq!(worker.end().0.signal(), Some(signal));
    }
}

#[test]
fn a_file_that_is_no_model_fails_with_a_cause() {
    let folder = std::env::temp_dir().join(format!("core-worker-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let whole = fs::read(model()).unwrap();
    let files: [(&str, &[u8]); 4] = [
        ("empty", b""),
        ("garbage", b"this is no model at all, only a sentence"),
        ("header", &whole[..64]),
        ("half", &whole[..whole.len() / 2]),
    ];
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        let mut worker = Worker::start(serve(|_| {}), &[&path]);
        let failed = worker.until_failed();
        assert_eq!(failed.cause, FailedCause::Model, "{name}");
        assert_eq!(worker.end().0.code(), Some(1), "{name}");
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_variant_that_is_none_fails_with_a_cause() {
    let not_there = engine().join("libggml-cpu-nowhere.so");
    let no_variant = engine().join("libllama.so.0");
    for path in [not_there, no_variant, PathBuf::from("libggml-cpu-x64.so")] {
        let variant = path.to_str().unwrap().to_owned();
        let mut worker = Worker::start(serve(|plan| plan.variant = variant), &[&model()]);
        assert_eq!(worker.until_failed().cause, FailedCause::Variant);
        assert_eq!(worker.end().0.code(), Some(1));
    }
}

#[test]
fn files_that_config_does_not_name_are_not_accepted() {
    let mut none = Worker::start(serve(|_| {}), &[]);
    assert_eq!(none.until_failed().cause, FailedCause::Lockdown);
    let mut two = Worker::start(serve(|_| {}), &[&model(), &model()]);
    assert_eq!(two.until_failed().cause, FailedCause::Lockdown);
}

#[test]
fn a_descriptor_too_many_ends_it_before_anything_else() {
    let file = || OwnedFd::from(fs::File::open(model()).unwrap());
    let gap = Worker::start_with(serve(|_| {}), 9, vec![file()]);
    let (status, log) = gap.end();
    assert_eq!(status.code(), Some(70), "{log}");
    assert!(log.contains("descriptor"), "{log}");
    let folder = OwnedFd::from(fs::File::open("/").unwrap());
    let (status, _) = Worker::start_with(serve(|_| {}), 8, vec![folder]).end();
    assert_eq!(status.code(), Some(70), "a directory is no model");
}

#[test]
fn a_throwaway_worker_chooses_the_best_variant() {
    let variants = variants();
    assert!(variants.len() > 1);
    let choose = |variants: Vec<String>| {
        let mut worker = Worker::start(Purpose::Choose { variants }, &[]);
        let said = worker.hear();
        (said, worker.end().0.code())
    };
    let (said, code) = choose(variants.clone());
    let ToBroker::Variant(best) = said else {
        panic!("a variant was due, not {said:?}");
    };
    assert_eq!(code, Some(0));
    let variant = variants[best as usize].clone();
    let (mut worker, _) = Worker::ready(&model(), |plan| plan.variant = variant);
    assert_eq!(worker.complete("Once", greedy(2)).tokens.len(), 2);
    let (said, code) = choose(vec!["/nowhere/libggml-cpu-x64.so".into()]);
    assert!(matches!(said, ToBroker::Failed(f) if f.cause == FailedCause::Variant));
    assert_eq!(code, Some(1));
}

#[test]
fn a_vocabulary_alone_is_loaded_without_weights() {
    let (_worker, ready) = Worker::ready(&model(), |plan| plan.load = Load::Vocabulary);
    assert!(ready.facts.n_vocab > 0);
    assert_eq!((ready.facts.n_ctx, ready.facts.slots, ready.threads), (0, 0, 1));
}

#[test]
fn only_what_is_needed_lies_beside_the_binary() {
    for entry in fs::read_dir(engine()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let known = ["libllama.so.0", "libggml.so.0", "libggml-base.so.0"].contains(&name)
            || name.starts_with("libggml-cpu-");
        assert!(known && is_file(&path), "{name}");
    }
}

fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).unwrap().is_file()
}
