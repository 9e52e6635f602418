//! Waiting: who is woken, how often, and who cannot hang the broker.

use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::write;
use tokio::time::timeout;

use super::{Both, MOMENT, PATIENCE, both, publish, ring, run};
use crate::broker::{Space, TokenReceiver};
use crate::ring::{Budget, Drained};
use crate::violation::Violation;

#[test]
fn the_bell_wakes_the_waiting_broker() {
    let Both { mut tokens, mut worker, .. } = both();
    run(async {
        assert!(timeout(MOMENT, tokens.readable()).await.is_err(), "nothing is there");
        let sender = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(5));
            publish(&mut worker, b"token");
            worker
        });
        timeout(PATIENCE, tokens.readable()).await.unwrap().unwrap();
        let mut seen = Vec::new();
        tokens.drain(Budget::POLL, |_, bytes| seen.extend_from_slice(bytes)).unwrap();
        assert_eq!(seen, b"token");
        sender.join().unwrap();
        assert!(timeout(MOMENT, tokens.readable()).await.is_err(), "nothing is left");
    });
}

#[test]
fn ten_thousand_round_trips_lose_no_wake_up() {
    const TRIPS: u32 = 10_000;
    let Both { mut jobs, mut tokens, mut worker, .. } = both();
    let echo = std::thread::spawn(move || {
        let mut echoed = 0;
        let began = Instant::now();
        while echoed < TRIPS && began.elapsed() < PATIENCE * 3 {
            let _wake = worker.jobs.park(PATIENCE).unwrap();
            let tokens = &mut worker.tokens;
            let drained = worker.jobs.poll(Budget::POLL, |kind, payload| {
                tokens.push(kind, payload).unwrap();
            });
            worker.tokens.publish();
            echoed += u32::try_from(drained.unwrap().records).unwrap();
        }
        echoed
    });
    run(async {
        for trip in 0..TRIPS {
            jobs.push(2, &trip.to_le_bytes()).unwrap();
            jobs.publish();
            let answer = timeout(PATIENCE, next(&mut tokens)).await.unwrap();
            assert_eq!(answer, trip.to_le_bytes());
        }
    });
    assert_eq!(echo.join().unwrap(), TRIPS);
}

/// The next record, waiting and pausing as a broker does.
async fn next(tokens: &mut TokenReceiver) -> Vec<u8> {
    let mut record = None;
    while record.is_none() {
        tokens.readable().await.unwrap();
        let take = |_: u8, bytes: &[u8]| record = Some(bytes.to_vec());
        let drained = tokens.drain(Budget::POLL, take).unwrap();
        if let Some(pause) = drained.pause {
            tokio::time::sleep(pause).await;
        }
    }
    record.unwrap()
}

/// A storm with nothing behind it ends the worker after sixteen wake-ups, not before.
#[test]
fn sixteen_empty_wake_ups_are_a_violation() {
    let Both { mut tokens, bell, .. } = both();
    run(async {
        for _ in 0..15 {
            ring(&bell, 1);
            assert!(timeout(MOMENT, tokens.readable()).await.is_err());
        }
        ring(&bell, 1);
        timeout(PATIENCE, tokens.readable()).await.unwrap().unwrap();
        let violation = Violation::EmptyWakeups { count: 16 };
        assert_eq!(tokens.drain(Budget::POLL, |_, _| ()), Err(violation));
        assert!(tokens.bell.is_none(), "the descriptor is dropped");
        assert!(tokens.readable().await.is_err(), "nobody can wait on a poisoned ring");
        assert_eq!(tokens.drain(Budget::POLL, |_, _| ()), Err(violation));
    });
}

#[test]
fn work_between_empty_wake_ups_forgives_them() {
    let Both { mut tokens, mut worker, bell, .. } = both();
    run(async {
        for round in 0..3 {
            for _ in 0..10 {
                ring(&bell, 1);
                assert!(timeout(MOMENT, tokens.readable()).await.is_err(), "round {round}");
            }
            publish(&mut worker, b"work");
            timeout(PATIENCE, tokens.readable()).await.unwrap().unwrap();
            assert_eq!(tokens.drain(Budget::POLL, |_, _| ()).unwrap().records, 1);
        }
    });
}

/// O_NONBLOCK belongs to the open file description: a worker can clear it and fill the counter. The
/// broker neither reads nor writes the bell, so nothing of it can hang.
#[test]
fn a_blocking_full_bell_does_not_hang_the_broker() {
    let Both { mut tokens, mut worker, bell, .. } = both();
    fcntl(&bell, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    write(&bell, &(u64::MAX - 1).to_ne_bytes()).unwrap();
    worker.tokens.push(1, b"token").unwrap();
    let began = Instant::now();
    run(async {
        let _pending = timeout(MOMENT, tokens.readable()).await;
        assert_eq!(tokens.drain(Budget::POLL, |_, _| ()).unwrap(), Drained::default());
    });
    assert!(began.elapsed() < PATIENCE);
}

#[test]
fn space_that_was_asked_for_wakes_the_broker_once() {
    let Both { mut jobs, mut tokens, mut worker, .. } = both();
    while jobs.push(1, &[1; 500]).is_ok() {}
    run(async {
        assert_eq!(jobs.want_space(500), Ok(Space::Later));
        assert!(timeout(MOMENT, tokens.readable()).await.is_err(), "nobody read yet");
        worker.jobs.poll(Budget { records: 1, bytes: 1 }, |_, _| ()).unwrap();
        timeout(PATIENCE, tokens.readable()).await.unwrap().unwrap();
        assert_eq!(tokens.drain(Budget::POLL, |_, _| ()).unwrap().records, 0);
        assert_eq!(jobs.want_space(500), Ok(Space::Now));
        jobs.push(1, &[1; 500]).unwrap();
        assert!(timeout(MOMENT, tokens.readable()).await.is_err(), "one wake-up per request");
    });
}

/// One bell may announce tokens and space at once; the space must not be forgotten over them.
#[test]
fn space_that_comes_together_with_tokens_is_not_lost() {
    let Both { mut jobs, mut tokens, mut worker, .. } = both();
    while jobs.push(1, &[1; 500]).is_ok() {}
    run(async {
        assert!(timeout(MOMENT, tokens.readable()).await.is_err(), "armed and registered");
        assert_eq!(jobs.want_space(500), Ok(Space::Later));
        worker.jobs.poll(Budget { records: 1, bytes: 1 }, |_, _| ()).unwrap();
        publish(&mut worker, b"token");
        for records in [1, 0] {
            timeout(PATIENCE, tokens.readable()).await.unwrap().unwrap();
            assert_eq!(tokens.drain(Budget::POLL, |_, _| ()).unwrap().records, records);
        }
        assert!(timeout(MOMENT, tokens.readable()).await.is_err());
    });
}
