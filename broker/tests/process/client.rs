//! A client of bare bytes.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use core_wire::{
    client::{ClientFrame, Request, ServerFrame},
    codec,
    frame::{self, HEADER_BYTES},
    handshake::{self, CHALLENGE_BYTES, NONCE_BYTES, SESSION_BYTES},
    ids::{RequestId, SessionId},
};

use crate::harness::{Site, own_uid};

impl Site {
    /// A client that holds the token.
    pub(crate) fn client(&self) -> Client {
        let stream = self.connect();
        let session = shake(&stream, &self.token).expect("the right token was refused");
        Client { stream, session }
    }
}

/// The client's side of a handshake.
pub(crate) fn shake(mut stream: &UnixStream, token: &[u8]) -> std::io::Result<SessionId> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).unwrap();
    let hello = handshake::hello(&nonce);
    stream.write_all(&hello)?;
    let mut challenge = [0; CHALLENGE_BYTES];
    stream.read_exact(&mut challenge)?;
    let proof =
        handshake::proof(token, &hello, &challenge, own_uid()).map_err(std::io::Error::other)?;
    stream.write_all(&proof)?;
    let mut session = [0; SESSION_BYTES];
    stream.read_exact(&mut session)?;
    Ok(handshake::session(session))
}

/// A connection that passed the handshake.
pub(crate) struct Client {
    pub(crate) stream: UnixStream,
    pub(crate) session: SessionId,
}

impl Client {
    pub(crate) fn body(&self, id: &str) -> Vec<u8> {
        let id = RequestId::try_from(id.to_owned()).unwrap();
        codec::encode(&ClientFrame { session: self.session, id, request: Request::Models }).unwrap()
    }

    pub(crate) fn send(&mut self, body: &[u8]) {
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        self.stream.write_all(&[&length, body].concat()).unwrap();
    }

    pub(crate) fn receive(&mut self) -> std::io::Result<ServerFrame> {
        let mut header = [0; HEADER_BYTES];
        self.stream.read_exact(&mut header)?;
        let mut body = vec![0; usize::try_from(u32::from_le_bytes(header)).unwrap()];
        self.stream.read_exact(&mut body)?;
        frame::read_body(&body).map_err(std::io::Error::other)
    }

    /// Asks for the models and gets an answer for the same id.
    pub(crate) fn works(&mut self) {
        let body = self.body("still there?");
        self.send(&body);
        assert_eq!(self.receive().unwrap().id.as_str(), "still there?");
    }
}

/// Whether the other side has closed; what still comes is counted.
pub(crate) fn closed(mut stream: &UnixStream) -> usize {
    let (mut all, mut part) = (0, [0; 4096]);
    loop {
        match stream.read(&mut part) {
            Ok(0) => return all,
            Ok(read) => all += read,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return all,
            Err(error) => panic!("the connection was not closed: {error}"),
        }
    }
}
