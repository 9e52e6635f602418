//! Every way in which a handshake can end, against a broker that does not always keep its part.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod fake;

use core_client::{
    Client, ConnectError, InstanceId, Token,
    wire::handshake::{self, HELLO_BYTES},
};
use fake::{Fake, SECRET, token};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

/// What the client makes of a broker that does `part` after the hello.
async fn against<F: Future<Output = UnixStream>>(
    part: impl FnOnce(UnixStream, [u8; HELLO_BYTES]) -> F,
) -> ConnectError {
    let fake = Fake::new();
    let server = async {
        let (mut stream, _) = fake.listener.accept().await.unwrap();
        let mut hello = [0; HELLO_BYTES];
        stream.read_exact(&mut hello).await.unwrap();
        // Closed only now, in the order that the part wants.
        drop(part(stream, hello).await);
    };
    let (path, token) = (fake.socket(), token());
    let (client, ()) = tokio::join!(Client::connect(&path, &token), server);
    client.expect_err("the handshake must fail")
}

#[tokio::test]
async fn both_sides_agree() {
    let fake = Fake::new();
    let (path, token) = (fake.socket(), token());
    let (client, _peer) = tokio::join!(Client::connect(&path, &token), fake.accept());
    assert!(client.unwrap().instance() == InstanceId([9; 16]));
}

#[tokio::test]
async fn a_broker_without_the_token_gets_no_proof() {
    let error = against(async |mut stream, hello| {
        let uid = stream.peer_cred().unwrap().uid();
        let other = b"another token of thirty-two bytes";
        let challenge = handshake::challenge(other, &hello, &[3; 32], InstanceId([1; 16]), uid);
        stream.write_all(&challenge).await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty(), "the client spoke on to a broker that proved nothing");
        stream
    })
    .await;
    assert!(matches!(error, ConnectError::Token), "{error:?}");
}

#[tokio::test]
async fn a_proof_for_another_uid_is_none() {
    let error = against(async |mut stream, hello| {
        let uid = stream.peer_cred().unwrap().uid() + 1;
        let challenge = handshake::challenge(SECRET, &hello, &[3; 32], InstanceId([1; 16]), uid);
        stream.write_all(&challenge).await.unwrap();
        stream
    })
    .await;
    assert!(matches!(error, ConnectError::Token), "{error:?}");
}

#[tokio::test]
async fn another_version_is_named() {
    let error = against(async |mut stream, _| {
        stream.write_all(b"CORE\x02\x00\x05\x00").await.unwrap();
        stream
    })
    .await;
    let expected = matches!(error, ConnectError::Version { major: 2, minor: 5 });
    assert!(expected, "{error:?}");
    assert!(error.to_string().contains("protocol 2.5"), "{error}");
}

#[tokio::test]
async fn what_is_no_broker_is_a_stranger() {
    let short = against(async |mut stream, _| {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").await.unwrap();
        stream
    });
    let eight = against(async |mut stream, _| {
        stream.write_all(b"+PONG!\r\n").await.unwrap();
        stream
    });
    let (short, eight) = tokio::join!(short, eight);
    assert!(matches!(short, ConnectError::Stranger), "{short:?}");
    assert!(matches!(eight, ConnectError::Stranger), "{eight:?}");
}

#[tokio::test]
async fn a_broker_that_hangs_up_has_refused() {
    let early = against(async |stream, _| stream).await;
    assert!(matches!(early, ConnectError::Refused { .. }), "{early:?}");
    let late = against(async |mut stream, hello| {
        let uid = stream.peer_cred().unwrap().uid();
        let challenge = handshake::challenge(SECRET, &hello, &[3; 32], InstanceId([1; 16]), uid);
        stream.write_all(&challenge).await.unwrap();
        let mut proof = [0; 32];
        stream.read_exact(&mut proof).await.unwrap();
        stream
    })
    .await;
    assert!(matches!(late, ConnectError::Refused { .. }), "{late:?}");
}

#[tokio::test]
async fn a_hang_up_before_the_hello_is_read_is_a_refusal() {
    let fake = Fake::new();
    let (path, token) = (fake.socket(), token());
    let server = async { drop(fake.listener.accept().await.unwrap()) };
    let (client, ()) = tokio::join!(Client::connect(&path, &token), server);
    let error = client.expect_err("nobody answered");
    assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn silence_has_an_end() {
    let fake = Fake::new();
    let error = Client::connect(&fake.socket(), &token()).await;
    let error = error.expect_err("nobody answered");
    assert!(matches!(error, ConnectError::Silent), "{error:?}");
}

#[tokio::test]
async fn nobody_there_says_how_to_start_one() {
    let dir = tempfile::tempdir().unwrap();
    let error = Client::connect(&dir.path().join("no.sock"), &token()).await;
    let error = error.expect_err("nobody listens");
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("core-broker serve"), "{error}");
    let long = dir.path().join("x".repeat(200));
    let error = Client::connect(&long, &token()).await.expect_err("no socket has such a path");
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
}

#[test]
fn a_token_never_shows_itself() {
    let token = Token::new(SECRET.to_vec()).unwrap();
    assert_eq!(format!("{token:?}"), "Token(..)");
}
