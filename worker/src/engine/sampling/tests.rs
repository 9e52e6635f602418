use core_wire::worker::{Sampling, job::EndOfGeneration};
use llama_cpp_2::token::{LlamaToken, data::LlamaTokenData};

use super::{Candidates, NoChoice, Sampler, argmax, draw::uniform, pick};

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
    let token = Sampler::new(sampling).choose(logits, position, &mut candidates)?;
    Ok(token.0)
}

/// How often each of `logits` is chosen over `draws` positions.
fn counts(sampling: &Sampling, logits: &[f32], draws: u32) -> Vec<u32> {
    let mut counts = vec![0; logits.len()];
    let mut candidates = Candidates::new();
    let mut sampler = Sampler::new(sampling);
    for position in 0..draws {
        let token = sampler.choose(logits, position, &mut candidates).unwrap();
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
        assert_eq!(chosen(&sampling(0.0, 0, 1.0, 0.0, 1), &logits, 0), Err(NoChoice));
        assert_eq!(chosen(&sampling(0.8, 2, 0.9, 0.1, 1), &logits, 0), Err(NoChoice));
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
    let entry = |id, logit| LlamaTokenData::new(LlamaToken::new(id), logit, 0.0);
    let two = [entry(4, 0.0), entry(9, 0.0), entry(2, f32::NEG_INFINITY)];
    assert_eq!(pick(&two, 0.0), Ok(LlamaToken::new(4)));
    assert_eq!(pick(&two, 0.499), Ok(LlamaToken::new(4)));
    assert_eq!(pick(&two, 0.5), Ok(LlamaToken::new(9)));
    assert_eq!(pick(&two, 1.0 - f64::EPSILON / 2.0), Ok(LlamaToken::new(9)));
    assert_eq!(pick(&[], 0.5), Err(NoChoice));
}
