//! A broker of a few lines, honest until a test makes it lie.
#![allow(dead_code, reason = "every test file uses its own part of this")]

pub(crate) mod process;

use std::{fs, io, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use core_client::{
    Client, Done, Event, Events, FinishReason, Generate, Params, Prompt, RequestError, Token,
    wire::{
        client::{ClientFrame, Request, ServerFrame},
        frame,
        handshake::{self, HELLO_BYTES, MAC_BYTES},
        ids::{InstanceId, RequestId, SessionId},
        limits::{CLIENT_FRAME_BYTES_CEILING, SERVER_FRAME_BYTES_MAX},
    },
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    task::JoinHandle,
    time::timeout,
};

pub(crate) const SECRET: &[u8] = b"a token of at least thirty-two bytes";
pub(crate) const SESSION: [u8; 16] = [7; 16];
const INSTANCE: InstanceId = InstanceId([9; 16]);
/// Far above what anything here takes on a loaded machine; a test that hangs must fail instead.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A directory with a socket in it and a listener behind that.
pub(crate) struct Fake {
    pub(crate) listener: UnixListener,
    dir: TempDir,
}

/// One connection, seen from the broker.
pub(crate) struct Peer {
    pub(crate) stream: UnixStream,
}

impl Fake {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("core.sock")).unwrap();
        Self { listener, dir }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("core.sock")
    }

    pub(crate) fn token_file(&self, mode: u32) -> PathBuf {
        let path = self.dir.path().join("token");
        fs::write(&path, [SECRET, b"\n"].concat()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// Accepts one connection and takes it through the handshake.
    pub(crate) async fn accept(&self) -> Peer {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let uid = stream.peer_cred().unwrap().uid();
        let mut hello = [0; HELLO_BYTES];
        stream.read_exact(&mut hello).await.unwrap();
        let challenge = handshake::challenge(SECRET, &hello, &[3; 32], INSTANCE, uid);
        stream.write_all(&challenge).await.unwrap();
        let mut proof = [0; MAC_BYTES];
        stream.read_exact(&mut proof).await.unwrap();
        handshake::check_proof(SECRET, &hello, &challenge, &proof, uid).unwrap();
        stream.write_all(&SESSION).await.unwrap();
        Peer { stream }
    }

    /// A connected client and its peer.
    pub(crate) async fn pair() -> (Client, Peer) {
        let fake = Self::new();
        let (path, token) = (fake.socket(), token());
        let (client, peer) = tokio::join!(Client::connect(&path, &token), fake.accept());
        (client.unwrap(), peer)
    }
}

impl Peer {
    pub(crate) async fn receive(&mut self) -> ClientFrame {
        self.try_receive().await.expect("a frame from the client")
    }

    /// The next frame, or `None` when the client has closed.
    pub(crate) async fn try_receive(&mut self) -> Option<ClientFrame> {
        let mut header = [0; 4];
        let read = timeout(PATIENCE, self.stream.read_exact(&mut header)).await;
        read.expect("the client says or closes something in time").ok()?;
        let bytes = frame::body_length(header, CLIENT_FRAME_BYTES_CEILING).unwrap();
        let mut body = vec![0; bytes];
        self.stream.read_exact(&mut body).await.unwrap();
        let frame: ClientFrame = frame::read_body(&body).unwrap();
        assert_eq!(frame.session, SessionId(SESSION));
        Some(frame)
    }

    /// Receives a cancel: its own id, and whom it ends.
    pub(crate) async fn receive_cancel(&mut self) -> (RequestId, String) {
        let frame = self.receive().await;
        match frame.request {
            Request::Cancel { target } => (frame.id, target),
            other => panic!("{other:?} is no cancel"),
        }
    }

    pub(crate) async fn send(&mut self, id: &RequestId, event: Event) {
        self.try_send(id, event).await.unwrap();
    }

    pub(crate) async fn try_send(&mut self, id: &RequestId, event: Event) -> io::Result<()> {
        let mut bytes = Vec::new();
        append(id, event, &mut bytes);
        let written = timeout(PATIENCE, self.stream.write_all(&bytes)).await;
        written.expect("the client reads in time")
    }

    /// Sends many events by one write: each write costs the socket's buffer a fixed amount too.
    pub(crate) async fn send_at_once(&mut self, id: &RequestId, events: Vec<Event>) {
        let mut bytes = Vec::new();
        for event in events {
            append(id, event, &mut bytes);
        }
        self.raw(&bytes).await;
    }

    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        let written = timeout(PATIENCE, self.stream.write_all(bytes)).await;
        written.expect("the client reads in time").unwrap();
    }
}

fn append(id: &RequestId, event: Event, bytes: &mut Vec<u8>) {
    let id = id.clone();
    frame::append(&ServerFrame { id, event }, SERVER_FRAME_BYTES_MAX, bytes).unwrap();
}

/// Runs a script of the broker's side beside the test.
pub(crate) fn script<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(future)
}

pub(crate) fn token() -> Token {
    Token::new(SECRET.to_vec()).unwrap()
}

pub(crate) fn prompt(text: &str) -> Generate {
    Generate { model: "tiny".into(), prompt: Prompt::Text(text.into()), params: Params::default() }
}

pub(crate) fn token_event(id: u32, text: &str) -> Event {
    Event::Token { id, text: text.into(), logprob: None, choice: 0, top: Vec::new() }
}

pub(crate) fn done(reason: FinishReason) -> Event {
    Event::Done(Done { finish_reason: Some(reason), ..Done::default() })
}

/// Takes one event within [`PATIENCE`].
pub(crate) async fn next(events: &mut Events) -> Option<Result<Event, RequestError>> {
    timeout(PATIENCE, events.next()).await.expect("an event in time")
}

/// Asserts that a request ends now, in exactly this error and nothing after it.
pub(crate) async fn ends_in(mut events: Events, error: RequestError) {
    assert_eq!(next(&mut events).await, Some(Err(error)));
    assert_eq!(next(&mut events).await, None);
    assert_eq!(next(&mut events).await, None);
}
