mod filters;
mod logprobs;
mod penalties;
mod replay;

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

use core_wire::worker::{Sampling, job::EndOfGeneration};
use llama_cpp_2::{
    llama_backend::LlamaBackend,
    model::{LlamaModel, params::LlamaModelParams},
    token::LlamaToken,
};

use super::{Candidates, NoChoice, Sampler, Tools, argmax, draw, logprobs::narrowed};

/// The engine, which a process starts once.
pub(crate) static BACKEND: LazyLock<LlamaBackend> = LazyLock::new(|| {
    crate::llama::route_log();
    LlamaBackend::init().unwrap()
});

/// The vocabulary of the model that ships; some tests want one of the engine's own.
static VOCABULARY: LazyLock<LlamaModel> = LazyLock::new(|| {
    let params = LlamaModelParams::default().with_vocab_only(true);
    LlamaModel::load_from_file(&BACKEND, story(), &params).unwrap()
});

/// The model that ships.
pub(crate) fn story() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/model/story.gguf")
}

/// What samplers are made from, as in a worker that holds the vocabulary that ships.
pub(crate) fn tools() -> Tools<'static> {
    Tools::new(&VOCABULARY)
}

fn uniform(seed: u64, position: u32) -> f64 {
    draw::uniform(seed, position, draw::FOR_TOKEN)
}

/// A whole number of `0..count` for every `seed` and `at`.
fn below(count: u32, seed: u64, at: u32) -> i32 {
    let share = uniform(seed, at) * f64::from(count);
    (0..count).take_while(|&n| f64::from(n + 1) <= share).count().try_into().unwrap()
}

/// Logits of `count` tokens between -`spread` and `spread`, others for every `seed`.
fn random_logits(seed: u64, count: u32, spread: f32) -> Vec<f32> {
    (0..count).map(|id| (narrowed(uniform(seed, id)) * 2.0 - 1.0) * spread).collect()
}

fn sampling(temperature: f32, top_k: u32, top_p: f32, min_p: f32, seed: u64) -> Sampling {
    Sampling {
        max_tokens: 1,
        temperature,
        top_k,
        top_p,
        min_p,
        seed,
        stop: Vec::new(),
        end: EndOfGeneration::Stops,
        ..Sampling::default()
    }
}

fn chosen(sampling: &Sampling, logits: &[f32], position: u32) -> Result<i32, NoChoice> {
    let mut candidates = Candidates::new();
    let mut sampler = Sampler::new(sampling, &tools(), &[], 0).unwrap();
    Ok(sampler.choose(logits, position, &mut candidates)?.token.0)
}

/// How often each of `logits` is chosen over `draws` positions.
fn counts(sampling: &Sampling, logits: &[f32], draws: u32) -> Vec<u32> {
    let mut counts = vec![0; logits.len()];
    let mut candidates = Candidates::new();
    let mut sampler = Sampler::new(sampling, &tools(), &[], 0).unwrap();
    for position in 0..draws {
        let token = sampler.choose(logits, position, &mut candidates).unwrap().token;
        counts[usize::try_from(token.0).unwrap()] += 1;
    }
    counts
}

#[test]
fn greedy_takes_the_highest_and_the_lowest_id_of_equals() {
    assert_eq!(argmax(&[0.5, 2.0, -1.0, 2.0]), Ok(LlamaToken::new(1)));
    assert_eq!(argmax(&[-3.0]), Ok(LlamaToken::new(0)));
    assert_eq!(
        argmax(&[f32::NEG_INFINITY, -9.0]),
        Ok(LlamaToken::new(1)),
        "a forbidden token is allowed to be there"
    );
}

#[test]
fn logits_that_are_no_numbers_are_refused() {
    let bad = [
        vec![],
        vec![f32::NAN],
        vec![1.0, f32::NAN, 0.0],
        vec![f32::INFINITY, 0.0],
        vec![f32::NEG_INFINITY; 3],
    ];
    for logits in bad {
        assert_eq!(chosen(&sampling(0.0, 0, 1.0, 0.0, 1), &logits, 0), Err(NoChoice::Logits));
        assert_eq!(chosen(&sampling(0.8, 2, 0.9, 0.1, 1), &logits, 0), Err(NoChoice::Logits));
    }
}

#[test]
fn the_draw_is_a_function_of_seed_and_position() {
    assert_eq!(uniform(7, 3).to_bits(), uniform(7, 3).to_bits());
    assert_ne!(uniform(7, 3).to_bits(), uniform(7, 4).to_bits());
    assert_ne!(uniform(7, 3).to_bits(), uniform(8, 3).to_bits());
    // Seed and position must not be exchangeable, or two requests would mirror each other.
    assert_ne!(uniform(3, 7).to_bits(), uniform(7, 3).to_bits());
}

#[test]
fn draws_are_uniform_along_positions_and_along_seeds() {
    const BINS: usize = 64;
    const DRAWS: u32 = 64_000;
    // The 99.99 % point of chi-square with 63 degrees of freedom is 112.3: a fixed sequence either
    // is below it for ever or the function is broken.
    const CHI_SQUARE_MAX: f64 = 112.3;
    type Sequence = fn(u32) -> f64;
    let sequences: [Sequence; 3] =
        [|i| uniform(42, i), |i| uniform(u64::from(i), 0), |i| uniform(u64::from(i), i)];
    for sequence in sequences {
        let mut bins = [0_u32; BINS];
        for i in 0..DRAWS {
            let u = sequence(i);
            assert!((0.0..1.0).contains(&u));
            let at = (1..BINS).take_while(|&bin| bin as f64 <= u * BINS as f64).count();
            bins[at] += 1;
        }
        let expected = f64::from(DRAWS) / BINS as f64;
        let chi: f64 = bins.iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
        assert!(chi < CHI_SQUARE_MAX, "chi-square is {chi}");
    }
}

#[test]
fn neighbouring_draws_are_not_correlated() {
    const DRAWS: u32 = 20_000;
    let centred = |i: u32| uniform(1, i) - 0.5;
    let covariance: f64 = (0..DRAWS).map(|i| centred(i) * centred(i + 1)).sum::<f64>();
    let correlation = covariance / f64::from(DRAWS) * 12.0;
    // Four standard deviations of the estimate.
    assert!(correlation.abs() < 4.0 / f64::from(DRAWS).sqrt(), "{correlation}");
}

#[test]
fn tokens_come_as_often_as_the_softmax_says() {
    let logits = [2.0_f32, 1.0, 0.0, -1.0];
    let counts = counts(&sampling(1.0, 0, 1.0, 0.0, 9), &logits, 20_000);
    let total: f64 = logits.iter().map(|&l| f64::from(l).exp()).sum();
    for (&count, &logit) in counts.iter().zip(&logits) {
        let p = f64::from(logit).exp() / total;
        let sigma = (20_000.0 * p * (1.0 - p)).sqrt();
        assert!((f64::from(count) - 20_000.0 * p).abs() < 4.0 * sigma, "{counts:?}");
    }
}

#[test]
fn the_filters_leave_what_they_promise() {
    let logits = [3.0_f32, 2.9, 0.0, -5.0];
    let only_two = counts(&sampling(1.0, 2, 1.0, 0.0, 5), &logits, 500);
    assert_eq!(only_two[2..], [0, 0]);
    assert!(only_two[0] > 0 && only_two[1] > 0);
    let nucleus = counts(&sampling(1.0, 0, 0.4, 0.0, 5), &logits, 500);
    assert_eq!(nucleus[1..], [0, 0, 0], "the first alone reaches 40 %");
    let share = counts(&sampling(1.0, 0, 1.0, 0.5, 5), &logits, 500);
    assert_eq!(share[2..], [0, 0], "less than half as likely as the first");
}

#[test]
fn a_high_temperature_flattens_and_a_low_one_sharpens() {
    let logits = [1.0_f32, 0.0];
    let cold = counts(&sampling(0.1, 0, 1.0, 0.0, 5), &logits, 1000)[0];
    let hot = counts(&sampling(50.0, 0, 1.0, 0.0, 5), &logits, 1000)[0];
    assert!(cold > 990, "{cold}");
    assert!((400..600).contains(&hot), "{hot}");
}

#[test]
fn a_wide_vocabulary_is_filtered_like_a_small_one() {
    // Above 1,024 candidates llama.cpp sorts only the head of them.
    let logits: Vec<f32> = (0..5000_u16).map(|i| -f32::from(i % 977)).collect();
    let counts = counts(&sampling(0.5, 0, 0.95, 0.0, 3), &logits, 300);
    let kept: usize = counts.iter().filter(|&&n| n > 0).count();
    assert!((1..=18).contains(&kept), "six of each of the likeliest logits: {kept}");
}

#[test]
fn the_edges_of_the_draw_hit_the_first_and_the_last() {
    let mut two = Candidates::new();
    two.fill(&[0.0, f32::NEG_INFINITY, 0.0], None);
    assert_eq!(two.pick(0.0), Ok(LlamaToken::new(0)));
    assert_eq!(two.pick(0.499), Ok(LlamaToken::new(0)));
    assert_eq!(two.pick(0.5), Ok(LlamaToken::new(2)));
    assert_eq!(two.pick(1.0 - f64::EPSILON / 2.0), Ok(LlamaToken::new(2)));
    assert_eq!(Candidates::new().pick(0.5), Err(NoChoice::Logits));
}

#[test]
fn draws_of_recorded_answers_stay_what_they_were() {
    assert_eq!(uniform(0, 0), 0.652_448_486_374_032_2);
    assert_eq!(uniform(7, 3), 0.604_234_805_368_314_5);
    assert_eq!(uniform(u64::MAX, u32::MAX), 0.774_697_827_217_258);
}

#[test]
fn uses_of_one_position_have_nothing_in_common() {
    const DRAWS: u32 = 20_000;
    let centred = |i, k| draw::uniform(1, i, k) - 0.5;
    let covariance: f64 = (0..DRAWS).map(|i| centred(i, 0) * centred(i, draw::FOR_XTC)).sum();
    let correlation = covariance / f64::from(DRAWS) * 12.0;
    // Four standard deviations of the estimate.
    assert!(correlation.abs() < 4.0 / f64::from(DRAWS).sqrt(), "{correlation}");
    assert_ne!(draw::uniform(1, 1, 1).to_bits(), draw::uniform(1, 1, 2).to_bits());
}

#[test]
fn a_bias_forbids_and_forces_and_must_name_a_token() {
    let logits = [1.0_f32, 2.0, 3.0];
    let bias = |bias| Sampling { logit_bias: bias, ..sampling(0.0, 0, 1.0, 0.0, 1) };
    assert_eq!(chosen(&bias(vec![(2, -100.0)]), &logits, 0), Ok(1));
    assert_eq!(chosen(&bias(vec![(0, 1.5), (0, 1.5)]), &logits, 0), Ok(0), "they add up");
    let drawn = Sampling { temperature: 1.0, ..bias(vec![(0, 100.0)]) };
    assert_eq!(chosen(&drawn, &logits, 0), Ok(0));
    let outside = Sampler::new(&bias(vec![(1 << 20, 1.0)]), &tools(), &[], 0);
    assert_eq!(outside.err().unwrap().code, core_wire::code::Code::BadToken);
}
