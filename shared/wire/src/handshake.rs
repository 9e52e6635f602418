//! The handshake before the first frame: fixed sizes, no bincode, no allocation by length.
//!
//! Both sides prove that they hold the token K without sending it; the server first, so that a
//! program that squats on the socket learns nothing. Each MAC covers everything sent before it and
//! the peer's uid as the kernel reports it, so neither can be replayed or moved to another user.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::{
    ids::{InstanceId, SessionId},
    limits::PROTOCOL,
};

/// First bytes of a client's hello and of a server's refusal.
pub const MAGIC: [u8; 4] = *b"CORE";
/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 32;
/// Bytes of an HMAC-SHA256.
pub const MAC_BYTES: usize = 32;
/// Client to server: magic, major, minor, nonce.
pub const HELLO_BYTES: usize = 4 + 2 + 2 + NONCE_BYTES;
/// Server to client: nonce, instance id, MAC.
pub const CHALLENGE_BYTES: usize = NONCE_BYTES + 16 + MAC_BYTES;
/// Server to client instead of a challenge: magic, and the version that it speaks.
pub const REFUSAL_BYTES: usize = 8;
/// Server to client at the end: the session id.
pub const SESSION_BYTES: usize = 16;

const SERVER_LABEL: &[u8] = b"core-1 server";
const CLIENT_LABEL: &[u8] = b"core-1 client";

/// Why a handshake ends.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum HandshakeError {
    /// The first four bytes are not ours: something else talks to this socket.
    #[error("the hello does not start with CORE")]
    Magic,
    /// The other side speaks another major version.
    #[error("the peer speaks protocol {major}.{minor}; this side {}.{}", PROTOCOL.0, PROTOCOL.1)]
    Version {
        /// Its major version.
        major: u16,
        /// Its minor version.
        minor: u16,
    },
    /// The MAC does not match: another token, another transcript or another user.
    #[error("the peer did not prove that it holds the token")]
    Mac,
}

/// The hello that a client sends first.
pub fn hello(nonce: &[u8; NONCE_BYTES]) -> [u8; HELLO_BYTES] {
    let mut bytes = [0; HELLO_BYTES];
    bytes[..8].copy_from_slice(&version_block());
    bytes[8..].copy_from_slice(nonce);
    bytes
}

/// The eight bytes by which a server refuses a version: magic and the version it speaks.
pub fn version_block() -> [u8; REFUSAL_BYTES] {
    let mut bytes = [0; REFUSAL_BYTES];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4..6].copy_from_slice(&PROTOCOL.0.to_le_bytes());
    bytes[6..].copy_from_slice(&PROTOCOL.1.to_le_bytes());
    bytes
}

/// Checks magic and version of eight bytes: the start of a hello, or a server's refusal.
///
/// # Errors
/// [`HandshakeError::Magic`], [`HandshakeError::Version`]; a server answers the latter with
/// [`version_block`] and closes.
pub fn check_version(block: [u8; REFUSAL_BYTES]) -> Result<(), HandshakeError> {
    let [a, b, c, d, major_low, major_high, minor_low, minor_high] = block;
    if [a, b, c, d] != MAGIC {
        // guard
        return Err(HandshakeError::Magic);
    }
    let major = u16::from_le_bytes([major_low, major_high]);
    let minor = u16::from_le_bytes([minor_low, minor_high]);
    if major == PROTOCOL.0 { Ok(()) } else { Err(HandshakeError::Version { major, minor }) }
}

/// The server's answer to a hello.
pub fn challenge(
    token: &[u8],
    hello: &[u8; HELLO_BYTES],
    nonce: &[u8; NONCE_BYTES],
    instance: InstanceId,
    peer_uid: u32,
) -> [u8; CHALLENGE_BYTES] {
    let mut bytes = [0; CHALLENGE_BYTES];
    bytes[..NONCE_BYTES].copy_from_slice(nonce);
    bytes[NONCE_BYTES..NONCE_BYTES + 16].copy_from_slice(&instance.0);
    let sent = &bytes[..CHALLENGE_BYTES - MAC_BYTES];
    let tag = mac(token, SERVER_LABEL, &[hello, sent], peer_uid);
    bytes[CHALLENGE_BYTES - MAC_BYTES..].copy_from_slice(&tag);
    bytes
}

/// The client's side: checks the server's proof and makes its own.
///
/// # Errors
/// [`HandshakeError::Mac`] when the server does not hold the token.
pub fn proof(
    token: &[u8],
    hello: &[u8; HELLO_BYTES],
    challenge: &[u8; CHALLENGE_BYTES],
    own_uid: u32,
) -> Result<[u8; MAC_BYTES], HandshakeError> {
    let (sent, tag) = challenge.split_at(CHALLENGE_BYTES - MAC_BYTES);
    same(&mac(token, SERVER_LABEL, &[hello, sent], own_uid), tag)?; // guard
    Ok(mac(token, CLIENT_LABEL, &[hello, challenge], own_uid))
}

/// The server's check of the client's proof.
///
/// # Errors
/// [`HandshakeError::Mac`].
pub fn check_proof(
    token: &[u8],
    hello: &[u8; HELLO_BYTES],
    challenge: &[u8; CHALLENGE_BYTES],
    proof: &[u8; MAC_BYTES],
    peer_uid: u32,
) -> Result<(), HandshakeError> {
    same(&mac(token, CLIENT_LABEL, &[hello, challenge], peer_uid), proof)
}

/// The last message of a handshake.
pub fn session(bytes: [u8; SESSION_BYTES]) -> SessionId {
    SessionId(bytes)
}

fn mac(token: &[u8], label: &[u8], transcript: &[&[u8]], uid: u32) -> [u8; MAC_BYTES] {
    let mut mac = Hmac::<Sha256>::new_from_slice(token).expect("HMAC takes a key of any length");
    mac.update(label);
    transcript.iter().for_each(|part| mac.update(part));
    mac.update(&uid.to_le_bytes());
    mac.finalize().into_bytes().into()
}

/// Compares without telling by time how much agreed.
fn same(expected: &[u8; MAC_BYTES], got: &[u8]) -> Result<(), HandshakeError> {
    if bool::from(expected.as_slice().ct_eq(got)) { Ok(()) } else { Err(HandshakeError::Mac) }
}
