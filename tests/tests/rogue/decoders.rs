//! Every decoder over mutated seeds: it answers, within its bounds, and what it accepts means the
//! same when it is written again. GGUF has its decoder in the worker's sandbox: see `files`.

use std::{
    fmt::Debug,
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use core_tests::{gguf::rng::SplitMix, harness::Install};
use core_wire::{
    client::{ClientFrame, ServerFrame},
    frame::{self, HEADER_BYTES},
    handshake::{self, CHALLENGE_BYTES, HELLO_BYTES, MAC_BYTES, REFUSAL_BYTES},
    ids::SessionId,
    limits::{CLIENT_FRAME_BYTES_MAX, SERVER_FRAME_BYTES_MAX},
    untrusted::Untrusted,
    worker::{ToBroker, ToWorker},
};

use crate::{corpora, messages, mutator::mutate, number};

/// Seconds for each decoder.
const SECONDS: u64 = 10;
/// Cases between two looks at the clock.
const BATCH: usize = 256;
/// EX_CONFIG of sysexits.h: what `check` answers to a bad file.
const EXIT_CONFIG: i32 = 78;

/// Tries mutated seeds until the time is over; `judge` answers whether one was accepted.
pub(crate) fn fuzz(
    name: &str,
    seeds: &[Vec<u8>],
    batch: usize,
    mut judge: impl FnMut(&[u8]) -> bool,
) {
    let limit = Duration::from_secs(number("CORE_FUZZ_SECONDS").unwrap_or(SECONDS));
    let began = Instant::now();
    let mut noise = SplitMix::new(0x6675_7a7a, seeds.len() as u64);
    let (mut tried, mut accepted) = (0_u64, 0_u64);
    for seed in seeds {
        judge(seed);
    }
    while began.elapsed() < limit {
        for _ in 0..batch {
            let mut bytes = seeds[noise.below(seeds.len())].clone();
            mutate(&mut bytes, &mut noise);
            accepted += u64::from(judge(&bytes));
            tried += 1;
        }
    }
    println!("{name}: {tried} tried, {accepted} accepted");
    assert!(tried > 0 && accepted < tried, "{name}: the mutations are none");
}

/// What was accepted must be the same after it was written and read again.
fn same<T: PartialEq + Debug>(first: &T, again: Option<T>) {
    // Of NaN nothing is the same; that it is NaN again shows in the debug form.
    let again = again.expect("what was written reads");
    assert!(*first == again || format!("{first:?}") == format!("{again:?}"));
}

#[test]
fn client_frames() {
    let seeds = corpora::frames(SessionId([7; 16]));
    fuzz("client frames", &seeds, BATCH, |bytes| {
        let Ok(read) = frame::read_body::<ClientFrame>(bytes) else {
            return false;
        };
        let mut written = Vec::new();
        frame::append(&read, SERVER_FRAME_BYTES_MAX, &mut written).expect("it encodes");
        same(&read, frame::read_body(&written[HEADER_BYTES..]).ok());
        true
    });
}

#[test]
fn lengths_of_frames() {
    let seeds: Vec<_> = [1_u32, 4096, 1 << 20].map(|n| n.to_le_bytes().to_vec()).into();
    fuzz("lengths", &seeds, BATCH, |bytes| {
        let Some(&header) = bytes.first_chunk() else {
            return false;
        };
        match frame::body_length(header, CLIENT_FRAME_BYTES_MAX) {
            Ok(length) => {
                assert!((1..=CLIENT_FRAME_BYTES_MAX).contains(&length));
                true
            }
            Err(_) => false,
        }
    });
}

#[test]
fn records_of_a_worker() {
    let seeds: Vec<_> =
        corpora::records().into_iter().map(|(kind, rest)| [vec![kind], rest].concat()).collect();
    fuzz("records of a worker", &seeds, BATCH, |bytes| {
        let Some((&kind, payload)) = bytes.split_first() else {
            return false;
        };
        let Ok(read) = ToBroker::read(kind, Untrusted::new(payload)) else {
            return false;
        };
        let (kind, written) = read.encode().expect("it encodes");
        same(&read, ToBroker::read(kind, Untrusted::new(&written)).ok());
        true
    });
}

/// The worker's own decoder: the broker is not hostile, but it may be broken.
#[test]
fn records_for_a_worker() {
    let seeds: Vec<_> =
        messages::orders().into_iter().map(|(kind, rest)| [vec![kind], rest].concat()).collect();
    fuzz("records for a worker", &seeds, BATCH, |bytes| {
        let Some((&kind, payload)) = bytes.split_first() else {
            return false;
        };
        let Ok(read) = ToWorker::decode(kind, payload) else {
            return false;
        };
        let (kind, written) = read.encode().expect("it encodes");
        same(&read, ToWorker::decode(kind, &written).ok());
        true
    });
}

/// The client's decoder: whoever holds the token may still be a broken broker.
#[test]
fn server_frames() {
    fuzz("server frames", &messages::answers(), BATCH, |bytes| {
        let Ok(read) = frame::read_body::<ServerFrame>(bytes) else {
            return false;
        };
        let mut written = Vec::new();
        frame::append(&read, SERVER_FRAME_BYTES_MAX, &mut written).expect("it encodes");
        same(&read, frame::read_body(&written[HEADER_BYTES..]).ok());
        true
    });
}

/// Both sides' checks: nothing but the one transcript opens.
#[test]
fn handshakes() {
    let token = [5; 32];
    let hello = handshake::hello(&[3; 32]);
    let instance = core_wire::ids::InstanceId([4; 16]);
    let challenge = handshake::challenge(&token, &hello, &[8; 32], instance, 1);
    let proof = handshake::proof(&token, &hello, &challenge, 1).expect("our own");
    let whole = [hello.as_slice(), &challenge, &proof].concat();
    fuzz("handshakes", std::slice::from_ref(&whole), BATCH, |bytes| {
        let Some((found, rest)) = bytes.split_first_chunk::<HELLO_BYTES>() else {
            return false;
        };
        let block: &[u8; REFUSAL_BYTES] = found.first_chunk().expect("a hello is longer");
        let _ = handshake::check_version(*block);
        let Some((theirs, rest)) = rest.split_first_chunk::<CHALLENGE_BYTES>() else {
            return false;
        };
        let client = handshake::proof(&token, found, theirs, 1).is_ok();
        let same_start = whole.starts_with(&bytes[..HELLO_BYTES + CHALLENGE_BYTES]);
        assert_eq!(client, same_start, "a server's proof of another transcript");
        let Some((mac, _)) = rest.split_first_chunk::<MAC_BYTES>() else {
            return false;
        };
        let server = handshake::check_proof(&token, found, theirs, mac, 1).is_ok();
        assert!(!server || bytes.starts_with(&whole), "a client's proof of another transcript");
        // A change behind the end is none.
        server && bytes != whole
    });
}

/// The file is the administrator's and not hostile, but no slip of a pen may end in anything but
/// a sentence: the shipped `core-broker check` reads each.
#[test]
fn configurations() {
    let install = Install::new().expect("an installation");
    let path = install.path().join("core.toml");
    fuzz("configurations", &corpora::configs(), 1, |bytes| {
        fs::write(&path, bytes).expect("written");
        let mut command = Command::new(install.program("core-broker"));
        command.arg("check").arg("--config").arg(&path).stdin(Stdio::null());
        let output = command.output().expect("it starts");
        let code = output.status.code().expect("no signal ends it");
        assert!(code == 0 || code == EXIT_CONFIG, "exit {code}: {output:?}");
        code == 0
    });
}
