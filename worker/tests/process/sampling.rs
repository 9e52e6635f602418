//! Draws: the same where they must be the same, different where they may be.

use core_wire::worker::Sampling;

use crate::player::{Worker, greedy, model};

const OPENING: &str = "One morning";

fn drawn(seed: u64) -> Sampling {
    Sampling { temperature: 1.5, top_k: 0, top_p: 1.0, min_p: 0.0, seed, ..greedy(24) }
}

#[test]
fn a_seed_gives_the_same_answer_in_every_process() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let first = worker.complete(OPENING, drawn(5)).tokens;
    assert_eq!(worker.complete(OPENING, drawn(5)).tokens, first);
    assert_ne!(worker.complete(OPENING, drawn(6)).tokens, first);
    drop(worker);
    let (mut other, _) = Worker::ready(&model(), |_| {});
    assert_eq!(other.complete(OPENING, drawn(5)).tokens, first);
}

#[test]
fn one_candidate_is_no_choice() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let likeliest = worker.complete(OPENING, greedy(24)).tokens;
    let only = Sampling { top_k: 1, ..drawn(5) };
    assert_eq!(worker.complete(OPENING, only).tokens, likeliest);
    let sure = Sampling { min_p: 1.0, ..drawn(9) };
    assert_eq!(worker.complete(OPENING, sure).tokens, likeliest);
}

#[test]
fn extreme_parameters_work() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let extremes = [
        Sampling { temperature: 100.0, ..drawn(1) },
        Sampling { temperature: f32::MIN_POSITIVE, ..drawn(1) },
        Sampling { top_p: f32::MIN_POSITIVE, ..drawn(1) },
        Sampling { top_k: 1 << 20, ..drawn(1) },
        Sampling { seed: u64::MAX, ..drawn(1) },
    ];
    for sampling in extremes {
        let answer = worker.complete(OPENING, sampling.clone());
        assert!(answer.refused.is_none(), "{sampling:?}: {:?}", answer.refused);
        assert_eq!(answer.tokens.len(), 24, "{sampling:?}");
    }
}
