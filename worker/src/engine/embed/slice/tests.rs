use std::time::Duration;

use super::{SLICE_MAX, Slices};
use crate::engine::embed::Beside;

const STEP: Duration = Duration::from_millis(100);

/// Runs slices of a text whose every token takes `token`; answers the sizes.
fn run(slices: &mut Slices, beside: Beside, token: Duration) -> Vec<usize> {
    let mut sizes = Vec::new();
    for _ in 0..12 {
        let tokens = slices.tokens(beside);
        slices.took(beside, tokens, token * u32::try_from(tokens).unwrap());
        sizes.push(tokens);
    }
    sizes
}

#[test]
fn a_slice_keeps_to_its_time_on_slow_and_on_fast_machines() {
    for token in [100, 1000, 3000, 8000, 20_000].map(Duration::from_micros) {
        for (beside, time) in [(Beside::Nobody, STEP), (Beside::Sequences, STEP / 4)] {
            let mut slices = Slices::new(STEP);
            let sizes = run(&mut slices, beside, token);
            for &tokens in &sizes[4..] {
                let took = token * u32::try_from(tokens).unwrap();
                assert!(took <= time, "{token:?} {beside:?}: {sizes:?}");
                let fits_twice = took * 2 < time && tokens < SLICE_MAX;
                assert!(!fits_twice, "{token:?} {beside:?} dawdles: {sizes:?}");
            }
        }
    }
}

#[test]
fn where_no_token_fits_one_is_computed() {
    let mut slices = Slices::new(STEP);
    let sizes = run(&mut slices, Beside::Sequences, Duration::from_secs(1));
    assert_eq!(sizes[4..], [1; 8]);
    assert_eq!(slices.tokens(Beside::Nobody), 8, "each situation is learnt by itself");
}

#[test]
fn the_short_end_of_a_text_proves_nothing() {
    let mut slices = Slices::new(STEP);
    let before = slices.tokens(Beside::Nobody);
    slices.took(Beside::Nobody, 1, Duration::from_millis(9));
    assert_eq!(slices.tokens(Beside::Nobody), before);
}
