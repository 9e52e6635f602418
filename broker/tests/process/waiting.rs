//! Connections that prove nothing: how long they stay and whom they hinder.

use std::{
    io::Write,
    os::unix::net::UnixStream,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use core_wire::handshake::{self, NONCE_BYTES};

use crate::{client::closed, harness::Site};

const GRACE: Duration = Duration::from_secs(2);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(3);

#[test]
fn silence_is_closed_at_the_end_of_grace() {
    let site = Site::new();
    let _broker = site.start();
    let (start, stream) = (Instant::now(), site.connect());
    assert_eq!(closed(&stream), 0);
    let took = start.elapsed();
    assert!(took >= GRACE - Duration::from_millis(50) && took < GRACE + SLACK, "{took:?}");
}

#[test]
fn one_byte_at_a_time_is_closed_at_the_end_of_grace() {
    let site = Site::new();
    let _broker = site.start();
    let (start, stream) = (Instant::now(), site.connect());
    let mut writing = stream.try_clone().unwrap();
    let drip = std::thread::spawn(move || {
        for byte in handshake::hello(&[1; NONCE_BYTES]) {
            if writing.write_all(&[byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    assert_eq!(closed(&stream), 0);
    assert!(start.elapsed() < GRACE + SLACK, "a byte a second keeps a connection open");
    drip.join().unwrap();
}

#[test]
fn half_a_handshake_is_closed_at_the_end_of_grace() {
    let site = Site::new();
    let _broker = site.start();
    let (start, mut stream) = (Instant::now(), site.connect());
    stream.write_all(&handshake::hello(&[1; NONCE_BYTES])).unwrap();
    assert_eq!(closed(&stream), handshake::CHALLENGE_BYTES);
    assert!(start.elapsed() < GRACE + SLACK);
}

#[test]
fn two_hundred_silent_connections_hinder_nobody() {
    let site = Site::new();
    let broker = site.start();
    // Once before it is counted, so that all that a start opens is there.
    let mut good = site.client();
    good.works();
    let before = broker.descriptors();
    let start = Instant::now();
    let silent: Vec<_> = (0..200).map(|_| site.connect()).collect();
    let mut good = site.client();
    good.works();
    // Sixteen wait, the others are closed already.
    let most = before.map(|count| count + 16 + 1);
    assert!(broker.descriptors() <= most, "{:?}", broker.descriptors());
    assert!(start.elapsed() < GRACE + SLACK, "a good client waited {:?}", start.elapsed());
    silent.iter().for_each(|stream| assert_eq!(closed(stream), 0));
    assert!(start.elapsed() < GRACE + SLACK, "closing took {:?}", start.elapsed());
    good.works();
    // At most one session more than before: nothing of the two hundred is left. A client sees its
    // end a moment before the broker has dropped the last of it.
    let most = before.map(|count| count + 1);
    let end = Instant::now() + SLACK;
    while broker.descriptors() > most && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    let after = broker.descriptors();
    assert!(after <= most, "{before:?} before, {after:?} after");
}

#[test]
fn a_flood_of_silent_connections_hinders_nobody() {
    let site = Site::new();
    let _broker = site.start();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // A connection that finds no room in the backlog is part of the flood as well.
                let _ = UnixStream::connect(site.socket());
            }
        });
        (0..10).for_each(|_| site.client().works());
        stop.store(true, Ordering::Relaxed);
    });
}
