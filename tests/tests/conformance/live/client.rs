//! A client of bare bytes, for what no client library would send.

use std::{
    io::{ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

use core_tests::harness::{Broker, Setup};
use core_wire::{
    client::{ClientFrame, Request, ServerFrame},
    codec,
    frame::{self, HEADER_BYTES},
    handshake::{self, CHALLENGE_BYTES, MAC_BYTES, NONCE_BYTES, SESSION_BYTES},
    ids::{RequestId, SessionId},
};

/// Longer than the broker's grace for who proves nothing, which is two seconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// A connection that passed the handshake, and what was said in it.
pub(super) struct Client {
    pub(super) stream: UnixStream,
    pub(super) session: SessionId,
    /// Hello and proof, as they were sent.
    pub(super) recorded: (Vec<u8>, Vec<u8>),
}

/// A connection to a broker.
pub(super) fn connect(socket: &Path) -> Setup<UnixStream> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// The token of an installation.
pub(super) fn token(broker: &Broker) -> Setup<Vec<u8>> {
    Ok(std::fs::read(broker.install.token_file())?)
}

/// The client's side of a handshake, with a given token.
pub(super) fn shake(mut stream: UnixStream, token: &[u8]) -> Setup<Client> {
    let uid = nix::unistd::geteuid().as_raw();
    let hello = handshake::hello(&[3; NONCE_BYTES]);
    stream.write_all(&hello)?;
    let mut challenge = [0; CHALLENGE_BYTES];
    stream.read_exact(&mut challenge)?;
    let proof = handshake::proof(token, &hello, &challenge, uid)?;
    stream.write_all(&proof)?;
    let mut session = [0; SESSION_BYTES];
    stream.read_exact(&mut session)?;
    let recorded = (hello.to_vec(), proof.to_vec());
    Ok(Client { stream, session: handshake::session(session), recorded })
}

/// Sends a hello and a proof that proves nothing; what came after it.
pub(super) fn guess(mut stream: UnixStream, token: &[u8]) -> Setup<usize> {
    let hello = handshake::hello(&[3; NONCE_BYTES]);
    stream.write_all(&hello)?;
    let mut challenge = [0; CHALLENGE_BYTES];
    stream.read_exact(&mut challenge)?;
    // The server's own part is not right for this token; a liar goes on all the same.
    let uid = nix::unistd::geteuid().as_raw();
    let nonce = challenge.first_chunk().ok_or("a short challenge")?;
    let instance = core_wire::ids::InstanceId(challenge[32..48].try_into()?);
    let own = handshake::challenge(token, &hello, nonce, instance, uid);
    let proof = handshake::proof(token, &hello, &own, uid).unwrap_or([0; MAC_BYTES]);
    // The broker may have closed already; then there is nothing to write to.
    let _ = stream.write_all(&proof);
    closed(&stream)
}

/// Reads until the other side has closed; how many bytes still came.
pub(super) fn closed(mut stream: &UnixStream) -> Setup<usize> {
    let (mut all, mut part) = (0, [0; 4096]);
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        match stream.read(&mut part) {
            Ok(0) => return Ok(all),
            Ok(read) => all += read,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(all),
            Err(error) => return Err(format!("the connection was not closed: {error}").into()),
        }
    }
    Err("the connection was not closed".into())
}

impl Client {
    /// A client that holds the broker's token.
    pub(super) fn of(broker: &Broker) -> Setup<Self> {
        shake(connect(&broker.install.socket())?, &token(broker)?)
    }

    /// The bytes of a request's frame.
    pub(super) fn frame(&self, id: &str, request: Request) -> Setup<Vec<u8>> {
        let id = RequestId::try_from(id.to_owned())?;
        let body = codec::encode(&ClientFrame { session: self.session, id, request })?;
        Ok([&u32::try_from(body.len())?.to_le_bytes(), body.as_slice()].concat())
    }

    pub(super) fn receive(&mut self) -> Setup<ServerFrame> {
        let mut header = [0; HEADER_BYTES];
        self.stream.read_exact(&mut header)?;
        let mut body = vec![0; usize::try_from(u32::from_le_bytes(header))?];
        self.stream.read_exact(&mut body)?;
        Ok(frame::read_body(&body)?)
    }

    /// Asks for the models and gets an answer for the same id.
    pub(super) fn works(&mut self) -> Setup<()> {
        let frame = self.frame("still there?", Request::Models)?;
        self.stream.write_all(&frame)?;
        let answer = self.receive()?;
        super::ensure(answer.id.as_str() == "still there?", || format!("{answer:?}"))
    }
}
