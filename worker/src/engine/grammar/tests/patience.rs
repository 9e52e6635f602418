//! The clock behind the counts.

use std::thread::sleep;

use crate::engine::grammar::{
    Failed,
    patience::{Patience, SLOW_STEPS_MAX, STEP_TIME_MAX},
};

fn slow_part(patience: &mut Patience, made: Result<(), ()>) -> Result<(), Failed> {
    patience.time(|| {
        sleep(STEP_TIME_MAX * 6 / 10);
        made
    })
}

#[test]
fn the_third_slow_step_is_one_too_many_and_quick_ones_never_are() {
    let mut patience = Patience::default();
    for _ in 0..1000 {
        assert_eq!(patience.time(|| Ok::<_, ()>(7)), Ok(7));
        patience.step_ended();
    }
    for slow in 0..=SLOW_STEPS_MAX {
        assert!(!patience.is_lost(), "after {slow}");
        // Two parts, neither of which is too long by itself.
        assert!(slow_part(&mut patience, Ok(())).is_ok());
        assert!(slow_part(&mut patience, Ok(())).is_ok());
        patience.step_ended();
    }
    assert!(patience.is_lost());
}

#[test]
fn one_that_fails_slowly_fails_for_all_who_follow_the_same_grammar() {
    let mut patience = Patience::default();
    let other = patience.clone();
    assert!(patience.time(|| Err::<(), _>(())).is_err());
    assert!(!other.is_lost(), "it was quick");
    let failed = [slow_part(&mut patience, Ok(())), slow_part(&mut patience, Err(()))];
    assert_eq!(failed, [Ok(()), Err(Failed::Stuck)]);
    assert!(other.is_lost() && !Patience::default().is_lost());
}
