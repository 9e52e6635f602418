//! The handshake, the server's side, and who may try it.
//!
//! Fixed sizes only: 40 bytes in, 80 out, 32 in, 16 out. The server proves first that it holds the
//! token, then the client does; the token itself never crosses.

use std::{cell::RefCell, io, time::Duration};

use core_wire::{
    handshake::{
        self, CHALLENGE_BYTES, HELLO_BYTES, HandshakeError, MAC_BYTES, NONCE_BYTES, REFUSAL_BYTES,
        SESSION_BYTES,
    },
    ids::{InstanceId, SessionId},
};
use interprocess::os::unix::uds_local_socket::tokio::Stream;
use thiserror::Error;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};

use super::penalty::Penalties;
use crate::startup::token::Token;

/// Bytes after the first eight of a hello of another version that are read before the refusal, so
/// that closing does not reset the connection before the refusal is read.
const STRANGE_HELLO_BYTES: usize = 256;

/// Why a connection did not become a session.
#[derive(Debug, Error)]
pub enum AuthError {
    /// The peer closed, or the socket failed.
    #[error("the connection ended: {0}")]
    Io(#[from] io::Error),
    /// The peer broke the handshake.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The kernel gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// Who may become a session, and how.
#[derive(Debug)]
pub struct Access {
    token: Token,
    instance: InstanceId,
    uids: Vec<u32>,
    penalties: RefCell<Penalties>,
}

impl Access {
    /// For one life of the broker; `uids` are all that may connect.
    ///
    /// # Errors
    /// When the kernel gives no random bytes for the instance id.
    pub fn new(token: Token, uids: Vec<u32>) -> Result<Self, getrandom::Error> {
        let instance = InstanceId(random()?);
        Ok(Self { token, instance, uids, penalties: RefCell::default() })
    }

    /// Whether a user may try at all.
    pub fn admits(&self, uid: u32) -> bool {
        self.uids.contains(&uid)
    }

    /// Runs the handshake; the caller bounds its time, and is told by `heard` of a whole hello.
    ///
    /// An attempt that fails after others of its user waits a little for its end. One that succeeds
    /// never waits, whatever else its user runs: it would be the first to lose its place.
    ///
    /// # Errors
    /// [`AuthError`]; the connection is to be closed.
    pub async fn shake(
        &self,
        stream: &Stream,
        peer_uid: u32,
        heard: impl FnOnce(),
    ) -> Result<SessionId, AuthError> {
        let hello = read_hello(stream).await;
        let shaken = match hello {
            Ok(hello) => {
                heard();
                self.exchange(stream, peer_uid, &hello).await
            }
            Err(error) => Err(error),
        };
        match &shaken {
            Ok(_) => self.penalties.borrow_mut().forgive(peer_uid),
            // A version is a mistake of whoever installed it and no attempt to get in.
            Err(AuthError::Handshake(HandshakeError::Magic | HandshakeError::Mac)) => {
                let wait = self.penalize(peer_uid);
                sleep(wait).await;
            }
            Err(_) => {}
        }
        shaken
    }

    /// Notes a failure; answers how long its end is held back.
    fn penalize(&self, uid: u32) -> Duration {
        let (mut penalties, now) = (self.penalties.borrow_mut(), Instant::now());
        let wait = penalties.wait(uid, now);
        penalties.failed(uid, now);
        wait
    }

    async fn exchange(
        &self,
        stream: &Stream,
        peer_uid: u32,
        hello: &[u8; HELLO_BYTES],
    ) -> Result<SessionId, AuthError> {
        let nonce: [u8; NONCE_BYTES] = random()?;
        let key = self.token.bytes();
        let challenge: [u8; CHALLENGE_BYTES] =
            handshake::challenge(key, hello, &nonce, self.instance, peer_uid);
        (&mut &*stream).write_all(&challenge).await?;
        let mut proof = [0; MAC_BYTES];
        (&mut &*stream).read_exact(&mut proof).await?;
        handshake::check_proof(key, hello, &challenge, &proof, peer_uid)?; // guard
        let session: [u8; SESSION_BYTES] = random()?;
        (&mut &*stream).write_all(&session).await?;
        Ok(handshake::session(session))
    }
}

/// The version is checked before the rest is waited for: another version may have another length.
async fn read_hello(stream: &Stream) -> Result<[u8; HELLO_BYTES], AuthError> {
    let mut hello = [0; HELLO_BYTES];
    let mut block = [0; REFUSAL_BYTES];
    (&mut &*stream).read_exact(&mut block).await?;
    let checked = handshake::check_version(block);
    if let Err(HandshakeError::Version { .. }) = checked {
        let _ = stream.inner().try_read(&mut [0; STRANGE_HELLO_BYTES]);
        (&mut &*stream).write_all(&handshake::version_block()).await?;
    }
    checked?; // guard
    hello[..REFUSAL_BYTES].copy_from_slice(&block);
    (&mut &*stream).read_exact(&mut hello[REFUSAL_BYTES..]).await?;
    Ok(hello)
}

fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
