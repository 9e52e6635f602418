use core_wire::worker::Sampling;
use llama_cpp_2::token::LlamaToken;

use super::{
    super::{Candidates, Logprobs, Sampler, logprobs},
    random_logits, sampling, tools,
};

fn told(sampling: &Sampling, logits: &[f32]) -> (i32, Option<Logprobs>) {
    let mut sampler = Sampler::new(sampling, &tools(), &[], 0).unwrap();
    let picked = sampler.choose(logits, 0, &mut Candidates::new()).unwrap();
    (picked.token.0, picked.logprobs)
}

#[test]
fn all_probabilities_together_are_one() {
    let logits = random_logits(1, 1000, 30.0);
    let all = logprobs::logprobs(&logits, LlamaToken::new(0), 1000);
    let sum: f64 = all.top.iter().map(|&(_, l)| f64::from(l).exp()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    assert!(all.top.is_sorted_by(|(_, a), (_, b)| a >= b));
    assert_eq!(all.top.len(), 1000);
}

#[test]
fn the_numbers_are_the_models_own_whatever_shapes_the_choice() {
    let logits = [0.5_f32, 0.25, 0.125, 0.125].map(f32::ln);
    let shaped = Sampling {
        logprobs: Some(2),
        logit_bias: vec![(2, 50.0)],
        ..sampling(0.3, 3, 0.9, 0.1, 1)
    };
    let (token, logprobs) = told(&shaped, &logits);
    let logprobs = logprobs.unwrap();
    assert_eq!(token, 2, "the bias forces it");
    assert!((logprobs.chosen - 0.125_f32.ln()).abs() < 1e-6);
    let ids: Vec<u32> = logprobs.top.iter().map(|&(id, _)| id).collect();
    assert_eq!(ids, [0, 1]);
    assert!((logprobs.top[0].1 - 0.5_f32.ln()).abs() < 1e-6);
}

#[test]
fn they_are_told_only_if_asked_and_are_finite() {
    let logits = [1.0_f32, f32::NEG_INFINITY, 0.0, -1e30];
    assert_eq!(told(&sampling(0.0, 0, 1.0, 0.0, 1), &logits).1, None);
    let asked = |count| Sampling { logprobs: Some(count), ..sampling(0.0, 0, 1.0, 0.0, 1) };
    let none = told(&asked(0), &logits).1.unwrap();
    assert!(none.top.is_empty() && none.chosen < 0.0);
    let many = told(&asked(20), &logits).1.unwrap();
    assert_eq!(many.top.len(), 3, "what the model forbids has no logarithm");
    assert!(many.top.iter().all(|(_, l)| l.is_finite()));
}
