//! `corectl top` at a terminal: what it asks of a broker, and that it gives the terminal back.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod fake;

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use core_client::{
    Event,
    wire::client::{ClientFrame, Request},
};
use fake::{
    Fake, PATIENCE, Peer,
    process::{corectl, ended, stderr, stdout},
};
use nix::{
    pty::{Winsize, openpty},
    sys::{
        signal::{Signal, kill},
        termios::{Termios, tcgetattr},
    },
    unistd::Pid,
};
use tokio::{
    process::Child,
    time::{sleep, timeout},
};

/// What a terminal is told when the view is over.
const LEAVES: &str = "\u{1b}[?1049l";

/// `corectl top` at a terminal.
struct Top {
    child: Child,
    peer: Peer,
    keys: File,
    shown: Arc<Mutex<String>>,
    /// The terminal, and how it was before.
    terminal: OwnedFd,
    before: Termios,
}

impl Top {
    /// Starts it against a broker that has answered once.
    async fn start() -> Self {
        let fake = Fake::new();
        let size = Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        let before = tcgetattr(&pty.slave).unwrap();
        let mut command = corectl(&fake, &["top"]);
        command.env("TERM", "xterm-256color").stdin(end()).stdout(end()).stderr(end());
        let child = command.spawn().unwrap();
        drop(command);
        let keys = File::from(pty.master);
        let shown = Arc::<Mutex<String>>::default();
        let (reader, text) = (keys.try_clone().unwrap(), shown.clone());
        thread::spawn(move || collect(reader, &text));
        let peer = fake.accept().await;
        let mut top = Self { child, peer, keys, shown, terminal: pty.slave, before };
        top.answer().await;
        top.shows("serving").await;
        top
    }

    /// Answers one request, which asks for the state and nothing else.
    async fn answer(&mut self) {
        let ClientFrame { id, request, .. } = self.peer.receive().await;
        assert!(matches!(request, Request::Status), "{request:?}");
        self.peer.send(&id, Event::Status(Box::default())).await;
    }

    async fn shows(&self, words: &str) {
        let shown = async {
            while !self.shown.lock().unwrap().contains(words) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let shown = timeout(PATIENCE, shown).await;
        shown.unwrap_or_else(|_| panic!("{words} is not in {:?}", self.shown.lock().unwrap()));
    }

    /// Waits for its end, after which the terminal has to be as it was.
    async fn ends(mut self) -> ExitStatus {
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status = status.expect("it ends in time").unwrap();
        self.shows(LEAVES).await;
        let after = tcgetattr(&self.terminal).unwrap();
        assert_eq!(after.local_flags, self.before.local_flags, "keys are not shown any more");
        assert_eq!(after.input_flags, self.before.input_flags);
        assert_eq!(after.output_flags, self.before.output_flags);
        status
    }
}

fn collect(mut reader: File, shown: &Mutex<String>) {
    let mut bytes = [0; 4096];
    // Ends with the terminal, whose last user is the test.
    while let Ok(count @ 1..) = reader.read(&mut bytes) {
        shown.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
}

#[tokio::test]
async fn it_asks_once_a_second_and_nothing_else() {
    let mut top = Top::start().await;
    let start = Instant::now();
    for _ in 0..3 {
        top.answer().await;
    }
    let took = start.elapsed();
    assert!(took > Duration::from_millis(2_500), "three requests in {took:?}");
    top.keys.write_all(b"xq").unwrap();
    assert_eq!(top.ends().await.code(), Some(0));
}

#[tokio::test]
async fn control_c_and_signals_give_the_terminal_back() {
    let mut top = Top::start().await;
    top.keys.write_all(b"\x03").unwrap();
    assert_eq!(top.ends().await.code(), Some(0));
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let top = Top::start().await;
        let pid = top.child.id().unwrap();
        kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
        assert_eq!(top.ends().await.code(), Some(0), "{signal}");
    }
}

#[tokio::test]
async fn a_broker_that_falls_silent_is_told_and_one_that_goes_is_an_error() {
    let mut top = Top::start().await;
    // Not answered.
    let _asked = top.peer.receive().await;
    top.shows("no answer for").await;
    drop(top.peer.stream);
    let (stream, _other) = tokio::net::UnixStream::pair().unwrap();
    top.peer.stream = stream;
    assert_eq!(top.ends().await.code(), Some(69));
}

#[tokio::test]
async fn without_a_terminal_it_says_so() {
    let fake = Fake::new();
    for arguments in [&["top"][..], &["--json", "top"]] {
        let output = ended(corectl(&fake, arguments).spawn().unwrap()).await;
        assert_eq!(output.status.code(), Some(64));
        assert!(stderr(&output).contains("corectl metrics"), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
}
