//! Draws: the same where they must be the same, different where they may be.

use core_wire::{
    client::{
        Priority, Prompt,
        params::{Dry, Filters, Penalties, Xtc},
    },
    code::Code,
    worker::{JobKind, Payload, Sampling},
};

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

/// Everything that shapes a choice, at once.
fn shaped(seed: u64) -> Sampling {
    let dry = Dry { multiplier: 0.8, ..Dry::default() };
    Sampling {
        filters: Filters {
            typical_p: 0.95,
            top_n_sigma: 2.0,
            xtc: Xtc { probability: 0.5, threshold: 0.1 },
        },
        penalties: Penalties { repeat: 1.2, frequency: 0.2, presence: 0.1, dry, last_n: 32 },
        logit_bias: vec![(40, 2.0), (41, -100.0)],
        logprobs: Some(4),
        ..drawn(seed)
    }
}

#[test]
fn a_request_with_all_parameters_goes_on_after_an_interruption() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let prompt: Vec<u32> = (10..40).collect();
    let mut tokens = |emitted: Vec<u32>| {
        let kind = JobKind::Generate(Box::new(shaped(8)));
        let payload = Payload { prompt: Prompt::Tokens(prompt.clone()), emitted };
        let job = worker.send_as(Priority::Normal, None, kind, &payload);
        let answer = worker.answers(&[job]).remove(0);
        assert!(answer.refused.is_none(), "{:?}", answer.refused);
        answer.tokens
    };
    let whole = tokens(Vec::new());
    assert_eq!(whole.len(), 24);
    let resumed = tokens(whole[..9].to_vec());
    let same = resumed.iter().zip(&whole[9..]).filter(|(a, b)| a == b).count();
    // Logits are not bit-equal across batch shapes, so a draw on an edge may fall otherwise.
    assert!(resumed.len() == 15 && same >= 13, "{resumed:?} after {whole:?}");
}

#[test]
fn a_bias_outside_the_vocabulary_is_refused_and_names_it() {
    let (mut worker, ready) = Worker::ready(&model(), |_| {});
    let outside = ready.facts.n_vocab;
    let sampling = Sampling { logit_bias: vec![(outside, 1.0)], ..greedy(4) };
    let refused = worker.complete(OPENING, sampling).refused.unwrap();
    assert_eq!(refused.code, Code::BadToken);
    assert!(refused.message.contains(&outside.to_string()), "{}", refused.message);
}

#[test]
fn a_forbidden_token_does_not_come_and_a_forced_one_does() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let free = worker.complete(OPENING, greedy(12)).tokens;
    let without = Sampling { logit_bias: vec![(free[0], -100.0)], ..greedy(12) };
    assert!(!worker.complete(OPENING, without).tokens.contains(&free[0]));
    let only = Sampling { logit_bias: vec![(free[0], 100.0)], ..drawn(3) };
    assert_eq!(worker.complete(OPENING, only).tokens, vec![free[0]; 24]);
}
