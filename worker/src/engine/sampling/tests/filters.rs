//! Each filter against a few plain lines that say what it is.

use core_wire::{
    client::params::{Filters, Xtc},
    worker::Sampling,
};

use super::{Candidates, Sampler, draw, random_logits, sampling, tools};

const TOKENS: u32 = 40;

/// What is left of `logits` before the draw at `position`.
fn left_at(sampling: &Sampling, logits: &[f32], position: u32) -> Vec<i32> {
    let mut candidates = Candidates::new();
    let mut sampler = Sampler::new(sampling, &tools(), &[], 0).unwrap();
    sampler.choose(logits, position, &mut candidates).unwrap();
    candidates.left().into_iter().map(|(id, _)| id).collect()
}

/// Ids with their shares, likeliest first.
fn shares(logits: &[f32]) -> Vec<(i32, f64)> {
    let total: f64 = logits.iter().map(|&l| f64::from(l).exp()).sum();
    let mut shares: Vec<_> =
        (0..).zip(logits.iter().map(|&l| f64::from(l).exp() / total)).collect();
    shares.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    shares
}

fn sorted(kept: impl IntoIterator<Item = (i32, f64)>) -> Vec<i32> {
    let mut ids: Vec<i32> = kept.into_iter().map(|(id, _)| id).collect();
    ids.sort_unstable();
    ids
}

/// The first of `ordered` that reach `share` together.
fn reaching(ordered: &[(i32, f64)], share: f64) -> Vec<i32> {
    let mut sum = 0.0;
    let count = ordered.iter().take_while(|(_, p)| {
        let open = sum < share;
        sum += p;
        open
    });
    sorted(count.copied())
}

fn with(filters: Filters) -> Sampling {
    Sampling { filters, ..sampling(1.0, 0, 1.0, 0.0, 3) }
}

#[test]
fn top_k_keeps_the_k_likeliest() {
    for k in [1, 5, 39, 40, 1 << 20] {
        let logits = random_logits(u64::from(k), TOKENS, 4.0);
        let kept = shares(&logits).into_iter().take(k as usize);
        assert_eq!(left_at(&sampling(1.0, k, 1.0, 0.0, 3), &logits, 0), sorted(kept));
    }
}

#[test]
fn top_p_keeps_what_reaches_p() {
    for (seed, p) in [(1, 0.1_f32), (2, 0.5), (3, 0.9), (4, 0.999)] {
        let logits = random_logits(seed, TOKENS, 4.0);
        let kept = reaching(&shares(&logits), f64::from(p));
        assert_eq!(left_at(&sampling(1.0, 0, p, 0.0, 3), &logits, 0), kept);
    }
}

#[test]
fn min_p_keeps_what_has_a_share_of_the_likeliest() {
    for (seed, p) in [(1, 0.01_f32), (2, 0.2), (3, 1.0)] {
        let logits = random_logits(seed, TOKENS, 4.0);
        let shares = shares(&logits);
        let least = shares[0].1 * f64::from(p) * (1.0 - 1e-6);
        let kept = shares.iter().filter(|(_, share)| *share >= least).copied();
        assert_eq!(left_at(&sampling(1.0, 0, 1.0, p, 3), &logits, 0), sorted(kept));
    }
}

#[test]
fn typical_keeps_what_surprises_as_expected() {
    for (seed, p) in [(1, 0.2_f32), (2, 0.5), (3, 0.9)] {
        let logits = random_logits(seed, TOKENS, 4.0);
        let mut shares = shares(&logits);
        let entropy: f64 = shares.iter().map(|(_, p)| -p * p.ln()).sum();
        let surprise = |p: f64| (-p.ln() - entropy).abs();
        shares.sort_by(|(_, a), (_, b)| surprise(*a).total_cmp(&surprise(*b)));
        let filters = Filters { typical_p: p, ..Filters::default() };
        assert_eq!(left_at(&with(filters), &logits, 0), reaching(&shares, f64::from(p)));
    }
}

#[test]
fn typical_is_not_spoilt_by_what_cannot_be() {
    // A share of 0 makes the entropy a NaN in llama.cpp, and then anything may be kept.
    let mut logits = random_logits(5, TOKENS, 3.0);
    let filters = Filters { typical_p: 0.5, ..Filters::default() };
    let kept = left_at(&with(filters.clone()), &logits, 0);
    logits.extend([-200.0, f32::NEG_INFINITY, -1e30]);
    assert_eq!(left_at(&with(filters), &logits, 0), kept);
}

#[test]
fn top_n_sigma_keeps_what_is_within_n_deviations() {
    for (seed, n) in [(1, 0.3_f32), (2, 1.0), (3, 2.0)] {
        let logits = random_logits(seed, TOKENS, 4.0);
        let mean = logits.iter().sum::<f32>() / TOKENS as f32;
        let variance = logits.iter().map(|l| (l - mean).powi(2)).sum::<f32>() / TOKENS as f32;
        let highest = logits.iter().copied().fold(f32::MIN, f32::max);
        let least = highest - n * variance.sqrt();
        let kept = (0..).zip(&logits).filter(|(_, l)| **l >= least).map(|(id, _)| id);
        let filters = Filters { top_n_sigma: n, ..Filters::default() };
        assert_eq!(left_at(&with(filters), &logits, 0), kept.collect::<Vec<i32>>());
    }
}

#[test]
fn xtc_leaves_out_all_likely_ones_but_the_last() {
    let logits = [0.40_f32, 0.05, 0.30, 0.25].map(f32::ln);
    let xtc = |probability, threshold| {
        with(Filters { xtc: Xtc { probability, threshold }, ..Filters::default() })
    };
    assert_eq!(left_at(&xtc(1.0, 0.2), &logits, 0), [1, 3], "0.25 is the least likely of three");
    assert_eq!(left_at(&xtc(1.0, 0.28), &logits, 0), [1, 2, 3]);
    assert_eq!(left_at(&xtc(1.0, 0.35), &logits, 0), [0, 1, 2, 3], "one alone stays");
    assert_eq!(left_at(&xtc(1.0, 0.45), &logits, 0), [0, 1, 2, 3], "none is likely");
    assert_eq!(left_at(&xtc(0.0, 0.2), &logits, 0), [0, 1, 2, 3]);
    assert_eq!(left_at(&xtc(1.0, 0.0), &logits, 0), [1], "all are likely");
    let sure = [9.0_f32, 0.0, 0.0];
    assert_eq!(left_at(&xtc(1.0, 0.51), &sure, 0), [0, 1, 2], "above one half it is off");
}

#[test]
fn xtc_applies_as_often_as_asked_and_by_a_draw_of_its_own() {
    const DRAWS: u32 = 2000;
    let logits = [0.5_f32, 0.4, 0.1].map(f32::ln);
    let xtc = Xtc { probability: 0.3, threshold: 0.1 };
    let asked = with(Filters { xtc, ..Filters::default() });
    let mut applied = 0;
    for position in 0..DRAWS {
        let is_out = !left_at(&asked, &logits, position).contains(&0);
        assert_eq!(is_out, draw::uniform(3, position, draw::FOR_XTC) < f64::from(xtc.probability));
        applied += u32::from(is_out);
    }
    let expected = f64::from(DRAWS) * 0.3;
    assert!((f64::from(applied) - expected).abs() < 4.0 * (expected * 0.7).sqrt(), "{applied}");
}

#[test]
fn they_apply_in_the_order_that_is_documented() {
    // top-k first: of the three that are left min-p would keep two of four, had it come before.
    let logits = [0.4_f32, 0.3, 0.2, 0.1].map(f32::ln);
    let both = Sampling { top_k: 3, ..sampling(1.0, 3, 0.7, 0.0, 3) };
    assert_eq!(left_at(&both, &logits, 0), [0, 1], "0.44 + 0.33 of what top-k left");
    let other = Sampling { top_k: 0, ..both };
    assert_eq!(left_at(&other, &logits, 0), [0, 1]);
    // XTC comes after the others and sees only what they left: 0.57 and 0.43.
    let xtc = Xtc { probability: 1.0, threshold: 0.42 };
    let filters = Filters { xtc, ..Filters::default() };
    let last = Sampling { filters, ..sampling(1.0, 2, 1.0, 0.0, 3) };
    assert_eq!(left_at(&last, &logits, 0), [1]);
}

#[test]
fn temperature_zero_takes_no_filter_into_account() {
    let logits = [0.4_f32, 0.3, 0.2, 0.1].map(f32::ln);
    let xtc = Xtc { probability: 1.0, threshold: 0.1 };
    let filters = Filters { xtc, ..Filters::default() };
    let greedy = Sampling { filters, ..sampling(0.0, 0, 1.0, 0.0, 3) };
    assert_eq!(super::chosen(&greedy, &logits, 0), Ok(0));
}
