//! Ten thousand requests at once: each is answered, nobody else notices, and nothing stays behind.

use std::{
    collections::HashSet,
    io::{BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use core_client::Code;
use core_tests::harness::{Broker, processes};
use core_wire::{
    client::{ClientFrame, Event, Generate, Request, ServerFrame},
    frame::{self, HEADER_BYTES},
    handshake::{self, CHALLENGE_BYTES, NONCE_BYTES, SESSION_BYTES},
    ids::RequestId,
    limits::{CLIENT_FRAME_BYTES_MAX, SERVER_FRAME_BYTES_MAX},
};

use crate::talk::{broker_with, connect, greedy, hear, talk};

/// The number.
const REQUESTS: usize = 10_000;
/// Connections of the second flood.
const CONNECTIONS: usize = 50;
/// How long a flood may take on a loaded machine; it is some seconds.
const FLOOD_MAX: Duration = Duration::from_secs(60);
/// How far memory may be above what it was after the first flood: a page table and some buffers.
const RSS_SLACK_KIB: u64 = 4096;
/// How soon descriptors and memory have to be back.
const BACK_MAX: Duration = Duration::from_secs(5);
/// Tokens of the stream that must not notice.
const BESIDE: u32 = 3000;
/// A pause that somebody who reads along would call one.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How the requests of a flood ended.
#[derive(Debug, Default)]
struct Ends {
    done: usize,
    full: usize,
}

#[test]
fn each_of_ten_thousand_requests_is_answered() {
    let broker = broker_with("");
    let before = descriptors(&broker);
    println!("over 1 connection: {:?}", flood(&Door::of(&broker), 1));
    settle(&broker, before);
    let rss = rss_kib(&broker);
    for connections in [CONNECTIONS, 1] {
        let ends = beside_a_stream(&broker, connections);
        println!("over {connections} connections: {ends:?}");
        assert_eq!(ends.done + ends.full, REQUESTS);
        assert!(ends.done > 0 && ends.full > 0, "{ends:?}");
        settle(&broker, before);
    }
    let back = || (rss_kib(&broker) <= rss + RSS_SLACK_KIB).then_some(());
    let now = processes::wait_for(BACK_MAX, back);
    assert!(now.is_some(), "{} KiB after, {rss} KiB before", rss_kib(&broker));
    let queue = broker.corectl(&["status"]).lines.remove(0)["queue"].clone();
    assert_eq!(queue["depth"], 0, "{queue}");
}

/// A flood while somebody reads a stream on another connection.
fn beside_a_stream(broker: &Broker, connections: usize) -> Ends {
    let door = Door::of(broker);
    talk(async {
        let client = connect(broker).await;
        let events = client.generate(greedy("long", 8, BESIDE)).await.expect("it is sent");
        let beside = tokio::spawn(hear(events, Instant::now()));
        // Until it runs: a stream that waits behind the flood would show nothing.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let flood = tokio::task::spawn_blocking(move || flood(&door, connections));
        let ends = flood.await.expect("the flood ends");
        beside.await.expect("no panic").was_undisturbed(BESIDE, PAUSE_MAX);
        ends
    })
}

/// Sends all requests at once, spread over connections, and counts how they end.
fn flood(door: &Door, connections: usize) -> Ends {
    // One after the other: only so many may be on their way in at a time.
    let open: Vec<_> = (0..connections).map(|_| Raw::connect(door)).collect();
    let start = Instant::now();
    let each = REQUESTS / connections;
    let ends: Vec<Ends> = thread::scope(|scope| {
        let all: Vec<_> = open.into_iter().map(|one| scope.spawn(|| one.flood(each))).collect();
        all.into_iter().map(|one| one.join().expect("a connection's flood ends")).collect()
    });
    assert!(start.elapsed() < FLOOD_MAX, "it took {:?}", start.elapsed());
    ends.into_iter().fold(Ends::default(), |sum, one| Ends {
        done: sum.done + one.done,
        full: sum.full + one.full,
    })
}

/// Where a broker listens, and what it wants to hear.
struct Door {
    socket: PathBuf,
    token: String,
}

impl Door {
    fn of(broker: &Broker) -> Self {
        let token = std::fs::read_to_string(broker.install.token_file()).expect("the token");
        Self { socket: broker.install.socket(), token: token.trim_end().into() }
    }
}

/// A connection without a client's own limits.
struct Raw {
    stream: UnixStream,
    session: [u8; SESSION_BYTES],
}

impl Raw {
    fn connect(door: &Door) -> Self {
        let mut stream = UnixStream::connect(&door.socket).expect("a broker");
        stream.set_read_timeout(Some(FLOOD_MAX)).expect("a socket");
        let hello = handshake::hello(&[7; NONCE_BYTES]);
        stream.write_all(&hello).expect("sent");
        let mut challenge = [0; CHALLENGE_BYTES];
        stream.read_exact(&mut challenge).expect("a challenge");
        let uid = nix::unistd::geteuid().as_raw();
        let proof = handshake::proof(door.token.as_bytes(), &hello, &challenge, uid);
        stream.write_all(&proof.expect("the broker holds the token")).expect("sent");
        let mut session = [0; SESSION_BYTES];
        stream.read_exact(&mut session).expect("a session");
        Self { stream, session }
    }

    fn flood(self, count: usize) -> Ends {
        let frames = self.frames(count);
        let mut writer = self.stream.try_clone().expect("a descriptor");
        thread::scope(|scope| {
            scope.spawn(move || writer.write_all(&frames).expect("the broker reads"));
            self.ends(count)
        })
    }

    fn frames(&self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for n in 0..count {
            let request = Request::Generate(Box::new(one_token()));
            let frame =
                ClientFrame { session: handshake::session(self.session), id: id(n), request };
            frame::append(&frame, CLIENT_FRAME_BYTES_MAX, &mut bytes).expect("it fits");
        }
        bytes
    }

    /// Reads until each request has had its one terminal event.
    fn ends(&self, count: usize) -> Ends {
        let mut ends = Ends::default();
        let mut answers = BufReader::new(&self.stream);
        let mut open: HashSet<RequestId> = (0..count).map(id).collect();
        while !open.is_empty() {
            let ServerFrame { id, event } = receive(&mut answers);
            if !event.is_terminal() {
                assert!(open.contains(&id), "an event after the end");
                continue;
            }
            assert!(open.remove(&id), "a second end, or one of nobody");
            match event {
                Event::Done(_) => ends.done += 1,
                Event::Error(refusal) => {
                    assert_eq!(refusal.code, Code::QueueFull, "{}", refusal.message);
                    assert!(refusal.retry_after_ms.is_some(), "no word on when to try again");
                    ends.full += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        ends
    }
}

fn receive(stream: &mut impl Read) -> ServerFrame {
    let mut header = [0; HEADER_BYTES];
    stream.read_exact(&mut header).expect("an answer in time");
    let bytes = frame::body_length(header, SERVER_FRAME_BYTES_MAX).expect("a length");
    let mut body = vec![0; bytes];
    stream.read_exact(&mut body).expect("an answer in time");
    frame::read_body(&body).expect("a frame")
}

fn one_token() -> Generate {
    greedy("long", 1, 1)
}

fn id(n: usize) -> RequestId {
    RequestId::try_from(format!("f{n}")).expect("a short id")
}

fn descriptors(broker: &Broker) -> usize {
    processes::descriptors(broker.pid()).len()
}

/// Waits until the broker has as many descriptors as before.
fn settle(broker: &Broker, before: usize) {
    let back = || (descriptors(broker) <= before).then_some(());
    let found = processes::wait_for(BACK_MAX, back);
    assert!(found.is_some(), "{} descriptors, {before} before", descriptors(broker));
}

fn rss_kib(broker: &Broker) -> u64 {
    let text = processes::status_field(broker.pid(), "VmRSS").expect("it runs");
    text.split(' ').next().and_then(|kib| kib.parse().ok()).expect("a number")
}
