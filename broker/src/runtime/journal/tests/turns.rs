//! Who waits for room on a connection, and for how long.

use tokio::time::Instant;

use super::*;

#[tokio::test(flavor = "current_thread")]
async fn room_that_came_before_it_was_waited_for_is_used() {
    let tasks = tokio::task::LocalSet::new();
    let reader = outbox(8);
    let (journal, _shares) = unread(9);
    let waiting = tasks.run_until(async {
        journal.read_by(reader.clone(), id(), 0);
        // The task that waits has not run yet.
        assert_eq!(reader.read_all().len(), 5);
        until(|| journal.0.borrow().reader.is_none() || journal.is_told()).await;
    });
    waiting.await;
    assert!(journal.is_told(), "it was given up although it read");
}

#[tokio::test(flavor = "current_thread")]
async fn a_token_that_fits_no_half_empty_outbox_is_waited_with_and_not_spun_on() {
    let tasks = tokio::task::LocalSet::new();
    let reader = Outbox::new(OutboxConfig { frames_max: 100, bytes_max: 200 });
    let (journal, _shares) = journal(0, 100, &outbox(100));
    journal.silence();
    for n in 0..3 {
        journal.say(StepToken { text: "a".repeat(150), ..token(n) }).unwrap();
    }
    // Less than half, and too much for another frame of 150 bytes.
    reader.send(&id(), &told(&StepToken { text: "a".repeat(60), ..token(9) })).unwrap();
    let waiting = tasks.run_until(async {
        journal.read_by(reader.clone(), id(), 0);
        let mut turns = 0;
        until(|| {
            turns += 1;
            drop(reader.read_all());
            journal.is_told()
        })
        .await;
        assert!(turns > 1, "it had room at once");
    });
    waiting.await;
    assert_eq!(journal.first(), 3);
}

#[tokio::test(flavor = "current_thread")]
async fn two_that_are_behind_on_one_connection_take_turns_for_as_long_as_it_is_read() {
    let tasks = tokio::task::LocalSet::new();
    let reader = outbox(8);
    let ((one, _of_one), (other, _of_other)) = (unread(20), unread(20));
    let reading = tasks.run_until(async {
        one.read_by(reader.clone(), id(), 0);
        other.read_by(reader.clone(), id(), 0);
        let mut most = 0;
        // Five frames at a time, each well within the patience and all of them far beyond it.
        for _ in 0..8 {
            sleep(PATIENCE / 2).await;
            assert_eq!(reader.read_all().len(), 5);
            most = most.max(one.first().abs_diff(other.first()));
        }
        assert!(most <= 10, "one was {most} tokens ahead of the other");
    });
    reading.await;
    assert!(one.is_told() && other.is_told());
}

#[tokio::test(flavor = "current_thread")]
async fn who_has_stopped_to_read_is_given_up_a_patience_after_that() {
    let tasks = tokio::task::LocalSet::new();
    let reader = outbox(8);
    let (journal, _shares) = unread(50);
    let waiting = tasks.run_until(async {
        journal.read_by(reader.clone(), id(), 0);
        sleep(PATIENCE / 10).await;
        assert_eq!(reader.read_all().len(), 5);
        let stopped = Instant::now();
        until(|| journal.0.borrow().reader.is_none()).await;
        stopped.elapsed()
    });
    let took = waiting.await;
    assert!((PATIENCE..PATIENCE * 7 / 4).contains(&took), "given up after {took:?}");
}
