//! From a path to an authenticated connection.

use std::{io, path::Path};

use core_wire::{
    handshake::{self, CHALLENGE_BYTES, HandshakeError, NONCE_BYTES, REFUSAL_BYTES, SESSION_BYTES},
    ids::{InstanceId, SessionId},
};
use interprocess::local_socket::{
    GenericFilePath, ToFsName,
    tokio::{Stream, prelude::*},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::{error::ConnectError, limits::HANDSHAKE_MAX, token::Token};

/// What a handshake ends with.
pub(crate) struct Opened {
    pub(crate) stream: Stream,
    pub(crate) session: SessionId,
    pub(crate) instance: InstanceId,
}

/// Connects and authenticates within [`HANDSHAKE_MAX`].
pub(crate) async fn open(socket: &Path, token: &Token) -> Result<Opened, ConnectError> {
    let work = async {
        let stream = reach(socket).await?;
        shake(stream, token).await
    };
    timeout(HANDSHAKE_MAX, work).await.unwrap_or(Err(ConnectError::Silent))
}

async fn reach(socket: &Path) -> Result<Stream, ConnectError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::PermissionDenied => {
            ConnectError::Denied { socket: socket.into(), uid: own_uid() }
        }
        _ => ConnectError::Unreachable { socket: socket.into(), source },
    };
    let name = socket.to_fs_name::<GenericFilePath>().map_err(failed)?;
    Stream::connect(name).await.map_err(failed)
}

async fn shake(mut stream: Stream, token: &Token) -> Result<Opened, ConnectError> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce)?;
    let hello = handshake::hello(&nonce);
    // A broker that refuses this uid may have closed already; what it says counts, not this write.
    let _unsent = stream.write_all(&hello).await;
    let challenge = read_challenge(&mut stream).await?;
    let proof = handshake::proof(token.bytes(), &hello, &challenge, own_uid());
    let proof = proof.map_err(|_| ConnectError::Token)?;
    stream.write_all(&proof).await.map_err(|_| refused())?;
    let mut session = [0; SESSION_BYTES];
    let read = stream.read_exact(&mut session).await;
    read.map_err(|_| refused())?;
    Ok(Opened { stream, session: handshake::session(session), instance: instance_of(&challenge) })
}

/// Reads a challenge. One that stops after the length of a refusal is one: a challenge starts with
/// random bytes, so only its length tells the two apart.
async fn read_challenge(stream: &mut Stream) -> Result<[u8; CHALLENGE_BYTES], ConnectError> {
    let mut bytes = [0; CHALLENGE_BYTES];
    let mut got = 0;
    // Ends: each turn adds at least one of `CHALLENGE_BYTES`, or leaves. A reset is an end too: the
    // broker closed without reading all of the hello.
    while got < CHALLENGE_BYTES {
        match stream.read(&mut bytes[got..]).await {
            Ok(0) | Err(_) => break,
            Ok(more) => got += more,
        }
    }
    match got {
        CHALLENGE_BYTES => Ok(bytes),
        REFUSAL_BYTES => Err(version_refusal(&bytes)),
        0 => Err(refused()),
        _ => Err(ConnectError::Stranger),
    }
}

fn version_refusal(bytes: &[u8; CHALLENGE_BYTES]) -> ConnectError {
    let mut block = [0; REFUSAL_BYTES];
    block.copy_from_slice(&bytes[..REFUSAL_BYTES]);
    match handshake::check_version(block) {
        Err(HandshakeError::Version { major, minor }) => ConnectError::Version { major, minor },
        // The same version refused, or no magic: no broker of ours does either.
        _ => ConnectError::Stranger,
    }
}

fn instance_of(challenge: &[u8; CHALLENGE_BYTES]) -> InstanceId {
    let mut id = [0; 16];
    id.copy_from_slice(&challenge[NONCE_BYTES..NONCE_BYTES + 16]);
    InstanceId(id)
}

fn refused() -> ConnectError {
    ConnectError::Refused { uid: own_uid() }
}

/// The uid that the kernel tells the broker, and that both proofs are bound to.
fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}
