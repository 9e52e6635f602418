//! Penalties and DRY against what they are defined to be.

use core_wire::{
    client::params::{Dry, Penalties},
    code::Code,
    worker::Sampling,
};
use llama_cpp_2::token::LlamaToken;

use super::{Candidates, Sampler, below, random_logits, sampling, tools};

const TOKENS: u32 = 12;

/// Tokens of which the first few ids come again and again.
fn history(seed: u64, length: u32) -> Vec<LlamaToken> {
    (0..length).map(|i| LlamaToken::new(below(4, seed, i))).collect()
}

/// The logits as they are when the filters begin.
fn penalized(penalties: &Penalties, logits: &[f32], history: &[LlamaToken]) -> Vec<f32> {
    let all = sampling(1.0, 0, 1.0, 0.0, 3);
    let sampling = Sampling { penalties: penalties.clone(), ..all };
    let mut candidates = Candidates::new();
    let mut sampler = Sampler::new(&sampling, &tools(), history, 0).unwrap();
    sampler.choose(logits, 0, &mut candidates).unwrap();
    candidates.left().into_iter().map(|(_, logit)| logit).collect()
}

fn close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= 1e-4 * e.abs().max(1.0), "{found:?} and not {expected:?}");
    }
}

#[test]
fn penalties_count_what_came_within_the_last_n() {
    for (seed, last_n) in [(1_u64, 5_u32), (2, 64), (3, 1)] {
        let logits = random_logits(seed, TOKENS, 5.0);
        let history = history(seed, 30);
        let (repeat, frequency, presence) = (1.3, 0.4, -0.7);
        let asked = Penalties { last_n, repeat, frequency, presence, dry: Dry::default() };
        let seen = &history[history.len().saturating_sub(last_n as usize)..];
        let expected = (0..).zip(&logits).map(|(id, &logit)| {
            let count = seen.iter().filter(|token| token.0 == id).count() as f32;
            let scaled = if logit <= 0.0 { logit * repeat } else { logit / repeat };
            if count == 0.0 { logit } else { scaled - count * frequency - presence }
        });
        close(&penalized(&asked, &logits, &history), &expected.collect::<Vec<_>>());
    }
}

/// How long a repetition `next` would continue: the longest end of `history` that occurs before and
/// is followed by it there.
fn continued(history: &[LlamaToken], next: i32) -> usize {
    let matching = |at: usize| {
        let before = history[..at].iter().rev();
        before.zip(history.iter().rev()).take_while(|(a, b)| a == b).count()
    };
    let places = (1..history.len()).filter(|&at| history[at].0 == next);
    places.map(matching).max().unwrap_or(0)
}

#[test]
fn dry_grows_with_the_repetition_that_a_token_would_continue() {
    for (seed, length) in [(1_u64, 40_u32), (2, 100), (9, 3)] {
        let logits = random_logits(seed, TOKENS, 5.0);
        let history = history(seed, length);
        let dry = Dry { multiplier: 0.8, breakers: Vec::new(), ..Dry::default() };
        let allowed = dry.allowed_length as usize;
        let expected = (0..).zip(&logits).map(|(id, &logit)| {
            let length = continued(&history, id);
            let power = i32::try_from(length).unwrap() - i32::try_from(allowed).unwrap();
            let penalty = dry.multiplier * dry.base.powi(power);
            if length < allowed || history.len() <= allowed { logit } else { logit - penalty }
        });
        let expected: Vec<f32> = expected.collect();
        let asked = Penalties { dry: dry.clone(), ..Penalties::default() };
        close(&penalized(&asked, &logits, &history), &expected);
        if length == 100 {
            assert_ne!(expected, logits, "the sample repeats itself");
        }
    }
}

#[test]
fn a_breaker_interrupts_a_repetition() {
    let tools = tools();
    let tokens = |text: &str| tools.model.vocab().tokenize(text.as_bytes(), false, false);
    let history = tokens("red kite, blue ball, red kite,");
    let logits = vec![0.0_f32; usize::try_from(tools.model.n_vocab()).unwrap()];
    let dry = |breaker: &str| {
        let breakers = vec![breaker.to_owned()];
        let dry = Dry { multiplier: 1.0, allowed_length: 1, breakers, ..Dry::default() };
        penalized(&Penalties { dry, ..Penalties::default() }, &logits, &history)
    };
    assert!(dry("*").iter().any(|&logit| logit < 0.0));
    assert!(dry(",").iter().all(|&logit| logit == 0.0));
}

#[test]
fn hostile_penalties_leave_numbers_that_can_be_compared() {
    let logits = random_logits(1, TOKENS, 30.0);
    let dry = Dry { multiplier: 100.0, base: 10.0, allowed_length: 1, ..Dry::default() };
    let asked = Penalties { repeat: f32::MIN_POSITIVE, dry, ..Penalties::default() };
    let found = penalized(&asked, &logits, &[LlamaToken::new(1); 200]);
    assert!(found.iter().all(|logit| logit.is_finite()), "{found:?}");
}

#[test]
fn a_breaker_with_a_nul_byte_is_refused_and_a_long_one_is_cut() {
    let with = |breaker: String| {
        let dry = Dry { multiplier: 1.0, breakers: vec![breaker], ..Dry::default() };
        let penalties = Penalties { dry, ..Penalties::default() };
        let sampling = Sampling { penalties, ..sampling(1.0, 0, 1.0, 0.0, 3) };
        Sampler::new(&sampling, &tools(), &[], 0).err().map(|refusal| refusal.code)
    };
    assert_eq!(with("a\0b".into()), Some(Code::BadParameter));
    assert_eq!(with("ä".repeat(100)), None);
    assert_eq!(with("x".repeat(256)), None);
}

#[test]
fn greedy_heeds_penalties_too() {
    let logits = [2.0_f32, 1.9, 0.0];
    let penalties = Penalties { repeat: 2.0, ..Penalties::default() };
    let sampling = Sampling { penalties, ..sampling(0.0, 0, 1.0, 0.0, 3) };
    let mut sampler = Sampler::new(&sampling, &tools(), &[], 0).unwrap();
    let mut candidates = Candidates::new();
    let mut tokens = Vec::new();
    for position in 0..4 {
        tokens.push(sampler.choose(&logits, position, &mut candidates).unwrap().token.0);
    }
    assert_eq!(tokens, [0, 1, 0, 0], "each counts once, and then both are penalized");
}
