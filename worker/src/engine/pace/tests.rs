use std::time::Duration;

use super::{Pace, SLICE_MIN, SLICE_UNKNOWN};

const N_BATCH: u32 = 512;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn whoever_is_alone_gets_the_whole_batch() {
    let mut pace = Pace::default();
    assert_eq!(pace.step_tokens(0, N_BATCH), N_BATCH);
    pace.took(0, N_BATCH, ms(9000));
    assert_eq!(pace.step_tokens(0, N_BATCH), N_BATCH);
}

#[test]
fn before_a_measurement_a_slice_is_small() {
    assert_eq!(Pace::default().step_tokens(3, N_BATCH), 3 + SLICE_UNKNOWN);
    assert_eq!(Pace::default().step_tokens(3, 8), 8, "never more than the batch");
}

#[test]
fn a_slice_fills_what_the_decode_step_leaves_of_the_gap() {
    let mut pace = Pace::default();
    pace.took(1, 0, ms(10));
    pace.took(0, 100, ms(200));
    assert_eq!(pace.step_tokens(1, N_BATCH), 1 + 20, "40 ms at 2 ms each");
}

#[test]
fn a_slow_machine_gets_the_least_slice_and_a_fast_one_the_batch() {
    let mut slow = Pace::default();
    slow.took(0, 10, ms(1000));
    assert_eq!(slow.step_tokens(1, N_BATCH), 1 + SLICE_MIN);
    let mut late = Pace::default();
    late.took(1, 0, ms(500));
    late.took(0, 10, ms(10));
    assert_eq!(late.step_tokens(1, N_BATCH), 1 + SLICE_MIN, "the gap is over already");
    let mut fast = Pace::default();
    fast.took(0, 500, Duration::from_micros(500));
    assert_eq!(fast.step_tokens(2, N_BATCH), N_BATCH);
    let mut instant = Pace::default();
    instant.took(0, 10, Duration::ZERO);
    assert_eq!(instant.step_tokens(2, N_BATCH), N_BATCH);
}

#[test]
fn slices_shrink_as_depth_makes_them_dear() {
    let mut pace = Pace::default();
    pace.took(1, 0, ms(10));
    pace.took(1, 40, ms(50));
    let shallow = pace.step_tokens(1, N_BATCH);
    for _ in 0..12 {
        let slice = pace.step_tokens(1, N_BATCH) - 1;
        pace.took(1, slice, ms(10) + ms(5) * slice);
    }
    let deep = pace.step_tokens(1, N_BATCH);
    assert!(deep < shallow, "{deep} after {shallow}");
    assert!((7..=11).contains(&deep), "about 40 ms at 5 ms each: {deep}");
}
