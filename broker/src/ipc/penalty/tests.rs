use std::time::Duration;

use tokio::time::Instant;

use super::Penalties;

const LONGEST: Duration = Duration::from_millis(32);

#[test]
fn waits_grow_stay_short_and_touch_nobody_else() {
    let (mut penalties, now) = (Penalties::default(), Instant::now());
    assert_eq!(penalties.wait(1, now), Duration::ZERO);
    let mut last = Duration::ZERO;
    for _ in 0..200 {
        penalties.failed(1, now);
        let wait = penalties.wait(1, now);
        assert!(wait >= last && wait <= LONGEST);
        last = wait;
    }
    assert_eq!(last, LONGEST);
    assert_eq!(penalties.wait(2, now), Duration::ZERO, "another user pays for the first");
}

#[test]
fn time_and_the_right_token_end_the_waiting() {
    let (mut penalties, now) = (Penalties::default(), Instant::now());
    penalties.failed(1, now);
    penalties.failed(2, now);
    penalties.forgive(1);
    assert_eq!(penalties.wait(1, now), Duration::ZERO);
    assert_ne!(penalties.wait(2, now), Duration::ZERO);
    assert_eq!(penalties.wait(2, now + Duration::from_secs(10)), Duration::ZERO);
}

#[test]
fn the_table_is_bounded() {
    let (mut penalties, now) = (Penalties::default(), Instant::now());
    for uid in 0..10_000 {
        penalties.failed(uid, now + Duration::from_micros(u64::from(uid)));
    }
    let now = now + Duration::from_millis(20);
    let remembered = (0..10_000).filter(|uid| penalties.wait(*uid, now) > Duration::ZERO);
    assert_eq!(remembered.count(), 64);
    assert_ne!(penalties.wait(9_999, now), Duration::ZERO, "the newest was forgotten");
}
