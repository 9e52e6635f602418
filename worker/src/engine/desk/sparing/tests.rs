use std::time::{Duration, Instant};

use super::{REST, Sparing};
use crate::engine::embed::Beside;

#[test]
fn whoever_is_answered_gets_most_of_the_time() {
    let mut sparing = Sparing::default();
    let mut now = Instant::now();
    let began = now;
    let each = Duration::from_millis(232);
    let mut spent = Duration::ZERO;
    for _step in 0..10_000 {
        let mut in_this_turn = 0;
        while sparing.allows(Beside::Sequences, now) {
            now += each;
            sparing.took(each, now);
            spent += each;
            in_this_turn += 1;
        }
        assert!(in_this_turn <= 1, "one between two steps");
        now += Duration::from_millis(5);
    }
    let share = spent.as_secs_f64() / (now - began).as_secs_f64();
    assert!(share > 0.2 && share <= 1.0 / f64::from(REST + 1) + 0.01, "{share}");
}

#[test]
fn while_nobody_is_answered_nothing_waits() {
    let mut sparing = Sparing::default();
    let now = Instant::now();
    sparing.took(Duration::from_secs(1), now);
    assert!(!sparing.allows(Beside::Sequences, now) && sparing.allows(Beside::Nobody, now));
}
