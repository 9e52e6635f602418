//! The handshake as bytes: what agrees is accepted, and every single change is not.

use core_wire::{
    handshake::{self, CHALLENGE_BYTES, HELLO_BYTES, HandshakeError, MAC_BYTES},
    ids::InstanceId,
};
use proptest::prelude::*;

const TOKEN: &[u8] = b"0123456789abcdef0123456789abcdef";
const UID: u32 = 1000;

struct Transcript {
    hello: [u8; HELLO_BYTES],
    challenge: [u8; CHALLENGE_BYTES],
    proof: [u8; MAC_BYTES],
}

fn transcript() -> Transcript {
    let hello = handshake::hello(&[1; 32]);
    let challenge = handshake::challenge(TOKEN, &hello, &[2; 32], InstanceId([3; 16]), UID);
    let proof = handshake::proof(TOKEN, &hello, &challenge, UID).expect("the server is honest");
    Transcript { hello, challenge, proof }
}

#[test]
fn both_sides_agree() {
    let t = transcript();
    assert_eq!(handshake::check_proof(TOKEN, &t.hello, &t.challenge, &t.proof, UID), Ok(()));
}

#[test]
fn the_bytes_are_those_of_the_protocol_document() {
    let t = transcript();
    assert_eq!(&t.hello[..8], b"CORE\x01\x00\x00\x00");
    assert_eq!(&t.hello[8..], &[1; 32]);
    assert_eq!(&t.challenge[..32], &[2; 32]);
    assert_eq!(&t.challenge[32..48], &[3; 16]);
    // HMAC-SHA256 over the label, the bytes sent before, and the uid as a little-endian u32,
    // computed with another implementation (Python's hmac module).
    assert_eq!(hex(&t.challenge[48..]), include_str!("golden/server-mac.hex").trim());
    assert_eq!(hex(&t.proof), include_str!("golden/client-mac.hex").trim());
}

#[test]
fn a_server_without_the_token_is_not_believed() {
    let hello = handshake::hello(&[1; 32]);
    let forged = handshake::challenge(&TOKEN[..31], &hello, &[2; 32], InstanceId([3; 16]), UID);
    assert_eq!(handshake::proof(TOKEN, &hello, &forged, UID), Err(HandshakeError::Mac));
}

#[test]
fn a_prefix_or_an_extension_of_the_token_is_another_token() {
    let t = transcript();
    let longer = [TOKEN, b"\n"].concat();
    for token in [&TOKEN[..31], &longer, &[]] {
        let refused = handshake::check_proof(token, &t.hello, &t.challenge, &t.proof, UID);
        assert_eq!(refused, Err(HandshakeError::Mac));
    }
}

#[test]
fn a_proof_belongs_to_one_user() {
    let t = transcript();
    let refused = handshake::check_proof(TOKEN, &t.hello, &t.challenge, &t.proof, UID + 1);
    assert_eq!(refused, Err(HandshakeError::Mac));
}

#[test]
fn the_servers_own_proof_cannot_be_reflected() {
    let t = transcript();
    let mut reflected = [0; MAC_BYTES];
    reflected.copy_from_slice(&t.challenge[CHALLENGE_BYTES - MAC_BYTES..]);
    let refused = handshake::check_proof(TOKEN, &t.hello, &t.challenge, &reflected, UID);
    assert_eq!(refused, Err(HandshakeError::Mac));
}

#[test]
fn another_version_and_another_protocol_are_told_apart() {
    assert_eq!(handshake::check_version(handshake::version_block()), Ok(()));
    assert_eq!(handshake::check_version(*b"GET / HT"), Err(HandshakeError::Magic));
    let newer = *b"CORE\x02\x00\x07\x00";
    let refused = HandshakeError::Version { major: 2, minor: 7 };
    assert_eq!(handshake::check_version(newer), Err(refused));
    let minor = *b"CORE\x01\x00\x09\x00";
    assert_eq!(handshake::check_version(minor), Ok(()));
}

proptest! {
    /// One flipped bit anywhere in the transcript or the proof, and the proof is refused.
    #[test]
    fn every_bit_counts(bit in 0..(HELLO_BYTES + CHALLENGE_BYTES + MAC_BYTES) * 8) {
        let mut t = transcript();
        let (byte, mask) = (bit / 8, 1u8 << (bit % 8));
        if byte < HELLO_BYTES {
            t.hello[byte] ^= mask;
        } else if byte < HELLO_BYTES + CHALLENGE_BYTES {
            t.challenge[byte - HELLO_BYTES] ^= mask;
        } else {
            t.proof[byte - HELLO_BYTES - CHALLENGE_BYTES] ^= mask;
        }
        let refused = handshake::check_proof(TOKEN, &t.hello, &t.challenge, &t.proof, UID);
        prop_assert_eq!(refused, Err(HandshakeError::Mac));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
