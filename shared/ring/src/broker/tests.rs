mod bell;

use std::future::Future;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::unistd::write;

use super::pace::{BYTES_MAX, Pace, RECORDS_MAX, WAKEUPS_MAX, WINDOW};
use super::*;
use crate::ring::{Budget, Drained};
use crate::violation::Violation;
use crate::worker::{WorkerEnd, attach};

/// Long enough for a loaded machine; only a lost wake-up takes it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Long enough for a bell that must not come, and no more.
const MOMENT: Duration = Duration::from_millis(50);

const SMALL: Layout = Layout { b_bytes: 4096, w_bytes: 4096, kind_max: 9 };

struct Both {
    jobs: JobSender,
    tokens: TokenReceiver,
    worker: WorkerEnd,
    /// A third handle of the bell, as a worker would have that misuses it.
    bell: OwnedFd,
}

fn both() -> Both {
    let (broker, fds) = create(&SMALL).unwrap();
    let bell = fds.bell.try_clone().unwrap();
    let worker = attach(fds.b, fds.w, fds.bell, &SMALL).unwrap();
    let (jobs, tokens) = broker.split();
    Both { jobs, tokens, worker, bell }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(future)
}

fn ring(bell: &OwnedFd, times: u64) {
    for _ in 0..times {
        write(bell, &1_u64.to_ne_bytes()).unwrap();
    }
}

fn publish(worker: &mut WorkerEnd, payload: &[u8]) {
    worker.tokens.push(1, payload).unwrap();
    worker.tokens.publish();
}

#[test]
fn an_impossible_layout_is_refused() {
    for b_bytes in [0, 2048, 5000, 1 << 30] {
        let refused = create(&Layout { b_bytes, ..SMALL }).unwrap_err();
        assert_eq!(refused, CreateError::Layout(LayoutError::Bytes { bytes: b_bytes }));
    }
    let refused = create(&Layout { kind_max: 0, ..SMALL }).unwrap_err();
    assert_eq!(refused, CreateError::Layout(LayoutError::NoKinds));
}

#[test]
fn the_defaults_are_those_of_the_guide() {
    let layout = Layout::new(9);
    assert_eq!((layout.b_bytes, layout.w_bytes), (2 << 20, 1 << 20));
    assert_eq!(layout.job_payload_max(), (256 << 10) - 8);
    assert_eq!(layout.token_payload_max(), (128 << 10) - 8);
    create(&layout).unwrap();
}

#[test]
fn descriptors_do_not_survive_an_exec_by_accident() {
    let (_broker, fds) = create(&SMALL).unwrap();
    for fd in [&fds.bell, &fds.b, &fds.w] {
        let flags = fcntl(fd, FcntlArg::F_GETFD).unwrap();
        assert_eq!(flags, libc::FD_CLOEXEC, "descriptor {}", fd.as_raw_fd());
    }
}

/// The broker goes on without the segments' descriptors: CONFIG lies in B before the fork.
#[test]
fn what_was_written_before_attach_is_the_first_record() {
    let (mut broker, fds) = create(&SMALL).unwrap();
    broker.jobs.push(1, b"CONFIG").unwrap();
    broker.jobs.publish();
    let mut worker = attach(fds.b, fds.w, fds.bell, &SMALL).unwrap();
    let mut seen = Vec::new();
    let take = |kind: u8, bytes: &[u8]| seen.push((kind, bytes.to_vec()));
    worker.jobs.poll(Budget::POLL, take).unwrap();
    assert_eq!(seen, [(1, b"CONFIG".to_vec())]);
}

#[test]
fn the_journal_of_a_dead_worker_is_read_to_its_end() {
    let Both { mut tokens, mut worker, .. } = both();
    for n in 0..200_u8 {
        worker.tokens.push(1, &[n]).unwrap();
    }
    worker.tokens.publish();
    worker.tokens.push(1, b"never published").unwrap();
    drop(worker);
    let mut seen = Vec::new();
    let drained = tokens.drain_dead(|_, bytes| seen.extend_from_slice(bytes)).unwrap();
    assert_eq!((drained.records, drained.more), (200, false));
    assert_eq!(seen, (0..200).collect::<Vec<u8>>());
}

#[test]
fn a_meaning_that_was_refused_poisons_too() {
    let Both { mut tokens, mut worker, .. } = both();
    publish(&mut worker, b"token 99999999 of 32000");
    tokens.poison();
    assert_eq!(tokens.drain(Budget::POLL, |_, _| ()), Err(Violation::Meaning));
}

#[test]
fn the_heartbeat_is_seen() {
    let Both { tokens, mut worker, .. } = both();
    let before = tokens.heartbeat();
    worker.tokens.beat();
    assert_ne!(tokens.heartbeat(), before);
}

#[test]
fn each_share_of_a_window_ends_it_and_the_next_begins_fresh() {
    let now = Instant::now();
    let used = |records, bytes| Drained { records, bytes, ..Drained::default() };
    let mut records = Pace::new(now);
    records.took(&used(RECORDS_MAX, 0));
    let mut bytes = Pace::new(now);
    bytes.took(&used(1, BYTES_MAX));
    let mut wakeups = Pace::new(now);
    (0..WAKEUPS_MAX).for_each(|_| wakeups.woke());
    for mut pace in [records, bytes, wakeups] {
        assert_eq!(pace.pause(|| now + WINDOW / 4), Some(WINDOW - WINDOW / 4));
        assert_eq!(pace.pause(|| now + WINDOW), None);
        assert_eq!(pace.pause(|| panic!("nothing was used since")), None);
    }
    let mut modest = Pace::new(now);
    modest.took(&used(RECORDS_MAX - 1, BYTES_MAX - 1));
    assert_eq!(modest.pause(|| panic!("the clock costs more than the rest")), None);
}

#[test]
fn a_worker_over_its_share_is_left_alone_for_a_while() {
    let Both { mut tokens, mut worker, .. } = both();
    let mut drain = |used| {
        publish(&mut worker, b"token");
        tokens.pace.took(&Drained { records: used, ..Drained::default() });
        tokens.drain(Budget::POLL, |_, _| ()).unwrap().pause
    };
    // A loaded machine may let one window pass here, but not every one of a hundred.
    let pause = (0..100).find_map(|_| drain(RECORDS_MAX)).unwrap();
    assert!(pause <= WINDOW);
    std::thread::sleep(pause);
    assert_eq!(drain(0), None);
}

#[test]
fn the_kernel_here_lacks_nothing() {
    let (_broker, fds) = create(&SMALL).unwrap();
    assert_eq!(fds.degraded(), [""; 0], "the seal tests need Linux 6.3");
}
