use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::*;
use crate::broker::{BrokerEnd, WorkerFds, create};
use crate::ring::{Budget, PushError};

/// Long enough for a loaded machine; only a lost wake-up takes it.
const PATIENCE: Duration = Duration::from_secs(20);

const SMALL: Layout = Layout { b_bytes: 4096, w_bytes: 4096, kind_max: 9 };

fn both() -> (BrokerEnd, WorkerEnd) {
    let (broker, WorkerFds { b, w, bell, .. }) = create(&SMALL).unwrap();
    (broker, attach(b, w, bell, &SMALL).unwrap())
}

fn send_all(ends: WorkerEnd) -> impl Send {
    ends
}

#[test]
fn ends_may_move_to_another_thread() {
    let (broker, worker) = both();
    let worker = send_all(worker);
    std::thread::spawn(move || drop((broker, worker))).join().unwrap();
}

#[test]
fn an_idle_park_ends_with_its_timeout() {
    let (_broker, mut worker) = both();
    let began = Instant::now();
    assert_eq!(worker.jobs.park(Duration::from_millis(20)).unwrap(), Wake::Idle);
    assert!(began.elapsed() >= Duration::from_millis(20));
    assert_eq!(worker.jobs.park(Duration::ZERO).unwrap(), Wake::Idle);
}

#[test]
fn a_job_that_is_there_is_not_slept_over() {
    let (mut broker, mut worker) = both();
    broker.jobs.push(1, b"job").unwrap();
    broker.jobs.publish();
    assert_eq!(worker.jobs.park(PATIENCE).unwrap(), Wake::Ready);
    assert_eq!(worker.jobs.poll(Budget::POLL, |_, _| ()).unwrap().records, 1);
    assert_eq!(worker.jobs.poll(Budget::POLL, |_, _| ()).unwrap().records, 0);
}

#[test]
fn a_job_wakes_the_parked_worker() {
    let (mut broker, mut worker) = both();
    let began = Instant::now();
    let sleeper = std::thread::spawn(move || {
        let mut seen = 0;
        while seen == 0 && began.elapsed() < PATIENCE {
            let _wake = worker.jobs.park(PATIENCE).unwrap();
            seen = worker.jobs.poll(Budget::POLL, |_, _| ()).unwrap().records;
        }
        seen
    });
    std::thread::sleep(Duration::from_millis(10));
    broker.jobs.push(1, b"job").unwrap();
    broker.jobs.publish();
    assert_eq!(sleeper.join().unwrap(), 1);
    assert!(began.elapsed() < PATIENCE);
}

#[test]
fn a_full_ring_is_waited_for_and_every_record_arrives() {
    const RECORDS: u32 = 2_000;
    let (mut broker, mut worker) = both();
    let writer = std::thread::spawn(move || {
        for n in 0..RECORDS {
            worker.tokens.push_wait_space(
                1,
                &[&n.to_le_bytes()[..], &[0; 96]].concat(),
                PATIENCE,
            )?;
        }
        worker.tokens.publish();
        Ok::<_, PushError>(())
    });
    let (mut next, began) = (0, Instant::now());
    while next < RECORDS && began.elapsed() < PATIENCE {
        let drained = broker.tokens.drain(Budget { records: 7, bytes: 1 << 16 }, |_, bytes| {
            assert_eq!(bytes[..4], next.to_le_bytes());
            next += 1;
        });
        std::thread::sleep(drained.unwrap().pause.unwrap_or_default());
        std::thread::yield_now();
    }
    writer.join().unwrap().unwrap();
    assert_eq!(next, RECORDS);
}

#[test]
fn waiting_for_space_ends_with_its_timeout() {
    let (_broker, mut worker) = both();
    while worker.tokens.push(1, &[0; 500]).is_ok() {}
    let limit = Duration::from_millis(20);
    let began = Instant::now();
    let refused = worker.tokens.push_wait_space(1, &[0; 500], limit).unwrap_err();
    assert!(matches!(refused, PushError::Full { .. }), "{refused}");
    assert!(began.elapsed() >= limit);
    let refused = worker.tokens.push_wait_space(1, &[0; 505], PATIENCE).unwrap_err();
    assert!(matches!(refused, PushError::TooLarge { .. }), "waits for nothing that never fits");
}

#[test]
fn swapped_unsealed_and_foreign_descriptors_are_refused() {
    let fds = || create(&SMALL).unwrap().1;
    let WorkerFds { b, w, bell, .. } = fds();
    assert!(refusal(w, b, bell, &SMALL).contains("seals"));
    let unsealed = seal::create(Segment::B, SMALL.b_bytes).unwrap();
    let WorkerFds { w, bell, .. } = fds();
    assert!(refusal(unsealed, w, bell, &SMALL).contains("seals"));
    let WorkerFds { b, w, bell, .. } = fds();
    let larger = Layout { b_bytes: 8192, ..SMALL };
    assert!(refusal(b, w, bell, &larger).contains("bytes"));
    let WorkerFds { b, bell, .. } = fds();
    let other = bell.try_clone().unwrap();
    assert!(refusal(b, other, bell, &SMALL).contains("ring-w"));
}

fn refusal(b: OwnedFd, w: OwnedFd, bell: OwnedFd, layout: &Layout) -> String {
    attach(b, w, bell, layout).unwrap_err().to_string()
}

#[test]
fn the_kernel_here_can_fix_mappings() {
    let (_broker, worker) = both();
    assert_eq!(worker.degraded(), [""; 0], "the mapping tests need Linux 6.10");
}
