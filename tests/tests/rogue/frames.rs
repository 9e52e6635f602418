//! Malformed client frames at the real broker, from several connections at once, beside a stream.

use std::{
    io::Write,
    net::Shutdown,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use core_tests::{
    gguf::rng::SplitMix,
    harness::Setup,
    rogue::{Den, Door},
};
use core_wire::{
    client::{ClientFrame, Request},
    frame,
    ids::SessionId,
};

use crate::{corpora, mutator::mutate, number};

/// How long it runs unless a count is asked for.
const TIME: Duration = Duration::from_secs(10);
/// Connections at once.
const CONNECTIONS: u64 = 4;
/// Frames that one connection sends; the first that cannot be read ends it.
const FRAMES: usize = 24;
/// A frame of no bytes ends a connection that nothing else has ended.
const FATAL: [u8; 4] = [0; 4];

/// Whether a frame may be sent: one that is still right and asks for something would be no attack,
/// and a shutdown the end of the test.
fn is_harmless(body: &[u8], session: SessionId) -> bool {
    match frame::read_body::<ClientFrame>(body) {
        Ok(read) if read.session == session => {
            !matches!(read.request, Request::Drain | Request::Shutdown)
        }
        Ok(_) | Err(_) => true,
    }
}

/// One connection; answers how many frames the broker looked at.
fn connection(door: &Door, noise: &mut SplitMix) -> Setup<u64> {
    let mut raw = door.enter()?;
    let seeds = corpora::frames(raw.session);
    let mut blob = Vec::new();
    for _ in 0..FRAMES {
        let mut body = seeds[noise.below(seeds.len())].clone();
        mutate(&mut body, noise);
        if is_harmless(&body, raw.session) {
            let mut header = u32::try_from(body.len())?.to_le_bytes().to_vec();
            if noise.below(8) == 0 {
                mutate(&mut header, noise);
            }
            blob.extend(header.into_iter().chain(body));
        }
    }
    blob.extend(FATAL);
    // The broker closes where it stops reading.
    let _sent = raw.stream.write_all(&blob);
    let _shut = raw.stream.shutdown(Shutdown::Write);
    let mut looked_at = 1;
    while let Ok(answer) = raw.hear() {
        looked_at += u64::from(answer.event.is_terminal());
    }
    Ok(looked_at)
}

#[test]
fn malformed_frames_end_their_connection_and_nothing_else() {
    let den = Den::new().expect("a den");
    let count = number("CORE_FRAMES");
    // What a broker keeps for connections that were is made once.
    attack(&den, None, Instant::now() - TIME / 2).expect("a warm-up");
    let round = || {
        let began = Instant::now();
        let frames = attack(&den, count, began)?;
        println!("{frames} frames in {:?}", began.elapsed());
        Ok(())
    };
    den.beside(round).expect("undisturbed");
}

fn attack(den: &Den, count: Option<u64>, began: Instant) -> Setup<u64> {
    let total = AtomicU64::new(0);
    let goes_on = || match count {
        Some(count) => total.load(Ordering::Relaxed) < count,
        None => began.elapsed() < TIME,
    };
    let one = |n| {
        let mut noise = SplitMix::new(0x6672_616d, n);
        while goes_on() {
            total.fetch_add(connection(&den.door, &mut noise)?, Ordering::Relaxed);
        }
        Setup::Ok(())
    };
    thread::scope(|scope| {
        let all: Vec<_> = (0..CONNECTIONS).map(|n| scope.spawn(move || one(n))).collect();
        all.into_iter().try_for_each(|one| one.join().map_err(|_| "a connection panicked")?)
    })?;
    Ok(total.into_inner())
}
