//! Who gets in: the token, the transcript, the user; and what everybody else is told.

use std::{
    io::{ErrorKind, Read, Write},
    os::unix::{net::UnixStream, process::CommandExt},
    process::{Command, Output},
    time::Duration,
};

use core_wire::handshake::{
    self, CHALLENGE_BYTES, HELLO_BYTES, MAC_BYTES, MAGIC, NONCE_BYTES, SESSION_BYTES,
};

use crate::{
    client::closed,
    harness::{Site, needs_root, own_uid},
};

/// Runs the client's side without checking the server's; returns how many bytes came after it.
fn claim(mut stream: &UnixStream, token: &[u8]) -> usize {
    let hello = handshake::hello(&[3; NONCE_BYTES]);
    stream.write_all(&hello).unwrap();
    let mut challenge = [0; CHALLENGE_BYTES];
    stream.read_exact(&mut challenge).unwrap();
    let nonce = challenge.first_chunk().unwrap();
    let instance = core_wire::ids::InstanceId(challenge[32..48].try_into().unwrap());
    let own = handshake::challenge(token, &hello, nonce, instance, own_uid());
    let proof = handshake::proof(token, &hello, &own, own_uid()).unwrap();
    // The broker may have closed already; then there is nothing to write to.
    let _ = stream.write_all(&proof);
    closed(stream)
}

#[test]
fn the_token_opens_and_two_hundred_wrong_ones_do_not() {
    let site = Site::new();
    let _broker = site.start();
    site.client().works();
    let mut longer = site.token.clone();
    longer.push(1);
    let mut flipped = site.token.clone();
    flipped[0] ^= 1;
    let wrong = [&site.token[..47], &site.token[..1], b"", &longer, &flipped];
    for token in wrong.iter().cycle().take(200) {
        assert_eq!(claim(&site.connect(), token), 0, "something came for a wrong token");
    }
    site.client().works();
}

#[test]
fn a_recorded_handshake_does_not_open_again() {
    let site = Site::new();
    let _broker = site.start();
    let mut stream = site.connect();
    let hello = handshake::hello(&[3; NONCE_BYTES]);
    stream.write_all(&hello).unwrap();
    let mut challenge = [0; CHALLENGE_BYTES];
    stream.read_exact(&mut challenge).unwrap();
    let proof = handshake::proof(&site.token, &hello, &challenge, own_uid()).unwrap();
    stream.write_all(&proof).unwrap();
    stream.read_exact(&mut [0; SESSION_BYTES]).unwrap();

    let mut again = site.connect();
    again.write_all(&hello).unwrap();
    let mut other = [0; CHALLENGE_BYTES];
    again.read_exact(&mut other).unwrap();
    assert_ne!(challenge[..NONCE_BYTES], other[..NONCE_BYTES], "a nonce came twice");
    again.write_all(&proof).unwrap();
    assert_eq!(closed(&again), 0);
}

#[test]
fn a_proof_for_another_user_does_not_open() {
    let site = Site::new();
    let _broker = site.start();
    let mut stream = site.connect();
    let hello = handshake::hello(&[3; NONCE_BYTES]);
    stream.write_all(&hello).unwrap();
    let mut challenge = [0; CHALLENGE_BYTES];
    stream.read_exact(&mut challenge).unwrap();
    let other = handshake::proof(&site.token, &hello, &challenge, own_uid() + 1);
    assert!(other.is_err(), "the server's proof does not depend on the user");
}

#[test]
fn what_is_no_hello_gets_no_byte() {
    let site = Site::new();
    let _broker = site.start();
    let garbage: [&[u8]; 4] =
        [b"GET / HTTP/1.1\r\n\r\n", &[0; HELLO_BYTES], &[0xff; 4096], b"COREcore"];
    for (at, bytes) in garbage.into_iter().enumerate() {
        let mut stream = site.connect();
        let _ = stream.write_all(bytes);
        let came = closed(&stream);
        // The last one has the magic and a version of its own: it is told ours.
        assert_eq!(came, if at == 3 { 8 } else { 0 }, "{bytes:?}");
    }
    site.client().works();
}

#[test]
fn another_version_is_told_ours_in_eight_bytes() {
    let site = Site::new();
    let _broker = site.start();
    for major in [0_u16, 2, u16::MAX] {
        let mut hello = handshake::hello(&[3; NONCE_BYTES]);
        hello[4..6].copy_from_slice(&major.to_le_bytes());
        let mut stream = site.connect();
        stream.write_all(&hello).unwrap();
        let mut refusal = [0; 8];
        stream.read_exact(&mut refusal).unwrap();
        assert_eq!(refusal[..4], MAGIC);
        assert_eq!(refusal[4..], [1, 0, 0, 0]);
        assert_eq!(closed(&stream), 0);
    }
}

#[test]
fn a_proof_of_zeros_is_no_proof() {
    let site = Site::new();
    let _broker = site.start();
    let mut stream = site.connect();
    stream.write_all(&handshake::hello(&[0; NONCE_BYTES])).unwrap();
    stream.read_exact(&mut [0; CHALLENGE_BYTES]).unwrap();
    stream.write_all(&[0; MAC_BYTES]).unwrap();
    assert_eq!(closed(&stream), 0);
}

/// Names the socket for the copy of this program that runs as another user.
const CONNECT: &str = "CORE_TEST_CONNECT";

#[test]
fn another_user_is_kept_out_by_mode_and_by_the_kernels_word() {
    if let Some(socket) = std::env::var_os(CONNECT) {
        let stream = UnixStream::connect(socket).expect("the mode keeps this user out");
        stream.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
        assert_eq!(closed(&stream), 0);
        return;
    }
    if !needs_root("another_user_is_kept_out_by_mode_and_by_the_kernels_word") {
        return;
    }
    let site = Site::new();
    let broker = site.start();
    let by_mode = as_another_user(&site);
    assert!(!by_mode.status.success(), "the mode lets them connect");
    open_to_all(&site);
    let forced = as_another_user(&site);
    let said = String::from_utf8_lossy(&forced.stdout);
    assert!(forced.status.success(), "{said}");
    assert!(broker.log.lock().unwrap().contains("uid=61235"));
    site.client().works();
}

/// How often a program that was just written is tried; another child is forked within a second.
const BUSY_TRIES: usize = 100;

/// Runs the same test in a copy of this program, which then only connects.
fn as_another_user(site: &Site) -> Output {
    let program = site.path("bin/tests");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let test = "handshake::another_user_is_kept_out_by_mode_and_by_the_kernels_word";
    let mut command = Command::new(&program);
    command.args(["--exact", test]).env(CONNECT, site.socket());
    command.uid(61235).gid(61235);
    // A child that another test has forked meanwhile holds the copy open for writing until it runs
    // its own program.
    for _ in 0..BUSY_TRIES {
        match command.output() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(Duration::from_millis(20));
            }
            output => return output.unwrap(),
        }
    }
    panic!("the copy stays busy");
}

fn open_to_all(site: &Site) {
    use std::{fs, os::unix::fs::PermissionsExt};
    fs::set_permissions(site.path("run"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(site.socket(), fs::Permissions::from_mode(0o666)).unwrap();
}
