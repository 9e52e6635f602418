use std::os::fd::AsFd as _;

use core_wire::code::{Code, Refusal};

use super::{
    super::{
        files::{Content, Names},
        tests::{directory, put},
    },
    Attempts, Spoke,
};

#[test]
fn failures_are_retried_later_each_time_and_at_once_for_another_content() {
    let (dir, fd) = directory();
    put(dir.path(), "m.gguf", b"x");
    let content = Names::single("m.gguf").content(fd.as_fd());
    let stamp = &content;
    let refusal = Refusal::new(Code::Memory, "no");
    let mut attempts = Attempts::default();
    assert_eq!(attempts.too_early(stamp, 0), None);
    attempts.failed(refusal.clone(), stamp.clone(), 1_000);
    assert_eq!(attempts.too_early(stamp, 1_100), Some(refusal.clone().after(400)));
    assert_eq!(attempts.too_early(stamp, 1_500), None);
    let gone = Names::single("gone.gguf").content(fd.as_fd());
    assert_eq!(attempts.too_early(&gone, 1_100), None);
    assert!(attempts.is_of(stamp) && !attempts.is_of(&gone));
    for _ in 0..100 {
        attempts.failed(refusal.clone(), stamp.clone(), 2_000);
    }
    assert_eq!(attempts.too_early(stamp, 2_000), Some(refusal.after(30_000)));
    let lasting = Refusal::new(Code::ModelLoad, "no");
    attempts.failed(lasting.clone(), stamp.clone(), 2_000);
    assert_eq!(attempts.too_early(stamp, 2_000), Some(lasting));
    attempts.succeeded();
    assert_eq!(attempts.too_early(stamp, 2_000), None);
}

#[test]
fn crashes_in_a_row_rest_and_fail_and_old_or_other_ones_do_not_count() {
    let (dir, fd) = directory();
    put(dir.path(), "m.gguf", b"x");
    let content = Names::single("m.gguf").content(fd.as_fd());
    let other = Names::single("gone.gguf").content(fd.as_fd());
    let refusal = Refusal::new(Code::WorkerLost, "no");
    let crash = |attempts: &mut Attempts, spoke, content: &Content, now_ms| {
        attempts.crashed(spoke, (&refusal, content), (now_ms, 1_000));
    };
    let mut attempts = Attempts::default();
    crash(&mut attempts, Spoke::No, &content, 1_000);
    assert_eq!(attempts.rest_ms(1_000), 0, "one crash is no row");
    crash(&mut attempts, Spoke::No, &content, 2_000);
    assert_eq!((attempts.rest_ms(2_000), attempts.rest_ms(2_040)), (100, 60));
    assert_eq!(attempts.rest_ms(9_000), 0, "a load of later waits for nothing");
    for at_ms in [3_000, 4_000, 5_000] {
        crash(&mut attempts, Spoke::No, &content, at_ms);
    }
    assert_eq!((attempts.rest_ms(5_000), attempts.reason()), (800, None));
    crash(&mut attempts, Spoke::No, &content, 6_000);
    assert_eq!(attempts.reason(), Some(&refusal), "six in a row are a failure");
    for (spoke, content, at_ms) in [
        (Spoke::Yes, &content, 7_000),
        (Spoke::No, &other, 7_100),
        (Spoke::No, &other, 7_100 + 1_800_000),
    ] {
        crash(&mut attempts, spoke, content, at_ms);
        assert_eq!(attempts.rest_ms(at_ms), 0, "a row of its own");
    }
    // Loads of over a minute between them do not end a row, and a long service does.
    let mut slow = Attempts::default();
    for at_ms in [0, 70_000, 140_000] {
        slow.crashed(Spoke::No, (&refusal, &content), (at_ms, 900));
    }
    assert_eq!(slow.rest_ms(140_000), 200);
    slow.crashed(Spoke::No, (&refusal, &content), (210_000, 60_000));
    assert_eq!(slow.rest_ms(210_000), 0, "it was well");
}
