use std::time::Duration;

use super::{ALONE, Load, Pace, SLICE_UNKNOWN};

const TARGET: Duration = Duration::from_millis(100);
const MOST: u32 = 512;

/// A machine: what a step costs in nanoseconds.
type Machine = fn(Load) -> u64;

/// Attention makes a token dearer by its whole flat cost every 1,000 tokens of depth.
fn steep(load: Load) -> u64 {
    let token = 1_000_000 + u64::from(load.depth) * 1_000;
    u64::from(load.decoding) * 500_000 + 5_000_000 + u64::from(load.slice) * token
}

/// A kernel that is three times faster from 256 tokens on.
fn tiled(load: Load) -> u64 {
    let token = if load.slice >= 256 { 100_000 } else { 300_000 };
    1_000_000 + u64::from(load.slice) * token
}

/// Runs a prompt of `length` tokens beside `decoding` others; answers the slices and the longest
/// step in the second half.
fn run(pace: &mut Pace, machine: Machine, decoding: u32, length: u32) -> (Vec<u32>, Duration) {
    let mut slices = Vec::new();
    let mut longest = Duration::ZERO;
    let mut depth = 0;
    while depth < length {
        let slice = pace.slice(decoding, depth, MOST.min(length - depth));
        let load = Load { decoding, slice, depth };
        let time = Duration::from_nanos(machine(load));
        pace.took(load, time);
        if depth > length / 2 {
            longest = longest.max(time);
        }
        slices.push(slice);
        depth += slice;
    }
    (slices, longest)
}

fn known(machine: Machine, decoding: u32) -> Pace {
    let mut pace = Pace::new(TARGET);
    let load = Load { decoding, slice: 0, depth: 0 };
    pace.took(load, Duration::from_nanos(machine(load)));
    pace
}

#[test]
fn nothing_is_known_at_first() {
    let pace = Pace::new(TARGET);
    assert_eq!(pace.slice(1, 0, MOST), SLICE_UNKNOWN);
    assert_eq!(pace.slice(0, 0, 3), 3, "never more than there is");
}

#[test]
fn a_step_with_somebody_in_it_keeps_to_the_target_at_every_depth() {
    let mut pace = known(steep, 2);
    let (slices, longest) = run(&mut pace, steep, 2, 16_000);
    assert!(longest <= TARGET.mul_f64(1.05), "{longest:?}");
    let (first, last) = (slices[10], slices[slices.len() - 2]);
    assert!(last < first / 4, "{first} then {last}: deeper slices are smaller");
}

#[test]
fn a_step_with_nobody_in_it_ends_soon_enough_for_a_cancel() {
    let mut pace = Pace::new(TARGET);
    let (_, longest) = run(&mut pace, steep, 0, 16_000);
    assert!(longest <= ALONE.mul_f64(1.05), "{longest:?}");
    assert!(longest >= ALONE.mul_f64(0.5), "{longest:?}: nor does it dawdle");
}

#[test]
fn the_size_at_which_a_kernel_is_fast_is_found_and_used() {
    let mut pace = known(tiled, 1);
    let (slices, longest) = run(&mut pace, tiled, 1, 20_000);
    let usual = slices[slices.len() / 2];
    assert!((256..=MOST).contains(&usual), "{slices:?}");
    assert!(longest <= TARGET, "{longest:?}");
}

#[test]
fn where_sizes_are_equal_the_smallest_good_one_is_used() {
    let flat: Machine =
        |load| u64::from(load.decoding) * 1_000_000 + u64::from(load.slice) * 50_000;
    let mut pace = known(flat, 1);
    let (slices, longest) = run(&mut pace, flat, 1, 40_000);
    let usual = slices[slices.len() / 2];
    assert!((64..256).contains(&usual), "0.85 of the best: {usual}");
    assert!(longest < TARGET / 2, "{longest:?}");
}

#[test]
fn where_no_token_fits_one_goes_in() {
    let slow: Machine = |load| 10_000_000 + u64::from(load.slice) * 200_000_000;
    let mut pace = known(slow, 1);
    let (slices, _) = run(&mut pace, slow, 1, 40);
    assert!(slices[1..].iter().all(|&slice| slice == 1), "{slices:?}");
}

#[test]
fn a_new_prompt_after_a_deep_one_starts_within_the_target() {
    let mut pace = known(steep, 1);
    run(&mut pace, steep, 1, 16_000);
    let slice = pace.slice(1, 0, MOST);
    let time = steep(Load { decoding: 1, slice, depth: 0 });
    assert!(Duration::from_nanos(time) <= TARGET.mul_f64(1.5), "{slice} tokens took {time} ns");
}

#[test]
fn where_decoding_takes_longer_than_the_target_a_prompt_still_moves() {
    let large: Machine = |load| 400_000_000 + u64::from(load.slice) * 2_000_000;
    let mut pace = known(large, 1);
    let (slices, longest) = run(&mut pace, large, 1, 2_000);
    assert!(slices[slices.len() / 2] >= 16, "{slices:?}");
    assert!(longest <= Duration::from_millis(480), "{longest:?}: 1.2 times the decoding");
}

#[test]
fn a_step_that_was_held_up_is_forgotten() {
    let mut pace = known(tiled, 1);
    pace.took(Load { decoding: 1, slice: 16, depth: 0 }, Duration::from_millis(192));
    let (slices, _) = run(&mut pace, tiled, 1, 20_000);
    assert!(slices[slices.len() / 2] >= 256, "{slices:?}");
}

#[test]
fn what_was_learnt_beside_a_busy_neighbour_is_tried_again() {
    let busy: Machine = |load| 4 * tiled(load);
    let mut pace = known(tiled, 1);
    run(&mut pace, busy, 1, 20_000);
    run(&mut pace, tiled, 1, 60_000);
    let (slices, _) = run(&mut pace, tiled, 1, 20_000);
    assert!(slices[slices.len() / 2] >= 256, "{slices:?}");
}

#[test]
fn a_prompt_of_a_large_model_is_not_read_token_by_token() {
    let large: Machine = |load| 500_000_000 + u64::from(load.slice) * 6_000_000;
    let mut pace = Pace::new(TARGET);
    let (slices, longest) = run(&mut pace, large, 0, 2_000);
    assert!(slices[slices.len() / 2] >= 16, "{slices:?}");
    assert!(longest <= Duration::from_millis(800), "{longest:?}");
}
