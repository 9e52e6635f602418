//! Models of several files, adapters, and what is stored how: by the real engine under lockdown.

use std::path::Path;

use core_wire::worker::{
    FailedCause,
    config::{KvType, Weights},
};

use crate::player::{
    Worker, greedy,
    made::{best, inspect, made, parts, ready},
    model, serve,
};

const PROMPT: &str = "Once upon a time there was a bear";

fn paths(files: &[std::path::PathBuf]) -> Vec<&Path> {
    files.iter().map(std::path::PathBuf::as_path).collect()
}

/// Why a worker on `files` does not serve.
fn refusal(files: &[&Path], change: impl FnOnce(&mut core_wire::worker::config::Serve)) -> String {
    let failed = Worker::start(serve(change), files).until_failed();
    assert_eq!(failed.cause, FailedCause::Model, "{}", failed.message);
    failed.message
}

#[test]
fn a_split_model_says_what_the_whole_one_says() {
    let whole = made("split", "whole.gguf", &["tiny"]);
    let split = parts(&made("split", "s.gguf", &["tiny", "--split", "3"]), 3);
    let expected = ready(&[&whole], |_| {}).complete(PROMPT, greedy(20)).tokens;
    let mut worker = ready(&paths(&split), |plan| plan.parts = 3);
    assert_eq!(worker.complete(PROMPT, greedy(20)).tokens, expected);
    let inspected = inspect(&paths(&split), |plan| plan.parts = 3).unwrap();
    let one = inspect(&[&whole], |_| {}).unwrap();
    assert_eq!(inspected.facts, one.facts);
    assert_eq!(inspected.needs.mapped, one.needs.mapped);
}

#[test]
fn a_missing_or_wrong_part_is_told() {
    let files = parts(&made("parts", "s.gguf", &["tiny", "--split", "3"]), 3);
    let other = made("parts", "other.gguf", &["tiny"]);
    let [one, two, three] = paths(&files)[..] else {
        panic!("three parts");
    };
    let broken = "one is missing, broken, or of another model";
    for (what, came) in [
        ("in another order", [one, three, two]),
        ("twice", [one, two, two]),
        ("not the first", [two, one, three]),
        ("no part at all", [one, two, &other]),
    ] {
        let said = refusal(&came, |plan| plan.parts = 3);
        assert!(said.contains(broken), "{what}: {said}");
    }
    assert!(refusal(&[one, two], |plan| plan.parts = 2).contains(broken), "too few");
    assert!(refusal(&[one], |_| {}).contains("or not whole"), "the first alone");
    let two_files = refusal(&[&other, one], |plan| plan.parts = 2);
    assert_eq!(two_files, "2 files came for a model that says it has 1");
}

#[test]
fn an_adapter_changes_what_the_model_says_by_its_scale() {
    let base = made("lora", "base.gguf", &["tiny"]);
    let lora = made("lora", "a.gguf", &["tiny", "--adapter", "4", "--seed", "7"]);
    let say = |scales: &[f32]| {
        let files = [&[base.as_path()], &vec![lora.as_path(); scales.len()][..]].concat();
        let mut worker = ready(&files, |plan| plan.adapters = scales.to_vec());
        worker.complete(PROMPT, greedy(30)).tokens
    };
    let plain = say(&[]);
    assert_eq!(say(&[0.0]), plain, "a scale of zero adds nothing");
    let adapted = say(&[1.0]);
    assert_ne!(adapted, plain);
    assert_ne!(say(&[1.0, 1.0]), adapted, "two add up");
    let with = inspect(&[&base, &lora], |plan| plan.adapters = vec![1.0]).unwrap();
    let bytes = std::fs::metadata(&lora).unwrap().len();
    assert_eq!(with.needs.private, bytes);
}

#[test]
fn a_file_that_is_no_adapter_for_the_model_fails_the_load_and_names_it() {
    let base = made("nolora", "base.gguf", &["tiny"]);
    let lora = made("nolora", "a.gguf", &["tiny", "--adapter", "4"]);
    let wide = made("nolora", "wide.gguf", &["wide", "--adapter", "4"]);
    let cut = base.with_file_name("cut.gguf");
    let bytes = std::fs::read(&lora).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() - 100]).unwrap();
    for bad in [&base, &wide, &cut] {
        let said = refusal(&[&base, &lora, bad], |plan| plan.adapters = vec![1.0, 1.0]);
        assert!(said.starts_with("adapter 2 of 2 is no LoRA adapter"), "{said}");
        let said = inspect(&[&base, bad], |plan| plan.adapters = vec![1.0]).unwrap_err();
        assert!(said.starts_with("adapter 1 of 1 is no LoRA adapter"), "{said}");
    }
    let said = refusal(&[&base, &lora], |plan| plan.adapters = vec![f32::NAN]);
    assert_eq!(said, "adapter 1 of 1 has a scale that is no number");
}

#[test]
fn keys_and_values_of_fewer_bits_serve_and_take_less() {
    let mut sizes = Vec::new();
    for kv in [KvType::F16, KvType::Q8, KvType::Q4] {
        let (mut worker, _) = Worker::ready(&model(), |plan| plan.kv = kv);
        let answer = worker.complete(PROMPT, greedy(20));
        assert_eq!(answer.tokens.len(), 20, "{kv:?}");
        sizes.push(inspect(&[&model()], |plan| plan.kv = kv).unwrap().needs.context);
    }
    assert!(sizes.is_sorted_by(|a, b| a > b), "{sizes:?}");
}

#[test]
fn a_model_that_repacks_says_the_same_and_takes_private_memory() {
    let best = best();
    let file = made("repack", "q4.gguf", &["tiny", "--weight", "q4_0"]);
    let mut answers = Vec::new();
    for weights in [Weights::Shared, Weights::Repacked] {
        let variant = best.clone();
        let mut worker = ready(&[&file], |plan| {
            (plan.variant, plan.weights) = (variant, weights);
        });
        answers.push(worker.complete(PROMPT, greedy(4)).tokens.len());
        let variant = best.clone();
        let inspected = inspect(&[&file], |plan| {
            (plan.variant, plan.weights) = (variant, weights);
        });
        let needs = inspected.unwrap().needs;
        // Every CPU of the last ten years has a layout of its own for Q4_0.
        assert_eq!(needs.private > 0, weights == Weights::Repacked, "{weights:?} {needs:?}");
    }
    assert_eq!(answers, [4, 4]);
}

#[test]
fn a_gpu_back_end_that_cannot_be_loaded_ends_the_worker_before_it_reads_a_byte() {
    let backends = vec!["/nowhere/libggml-cuda.so".to_owned()];
    let purpose = serve(|plan| plan.backends = backends);
    let failed = Worker::start(purpose, &[&model()]).until_failed();
    assert_eq!(failed.cause, FailedCause::Variant);
    assert!(failed.message.contains("GPU back end"), "{}", failed.message);
}
