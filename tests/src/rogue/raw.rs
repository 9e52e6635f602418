//! A client without a client's own limits: it blocks, and sends what it is given.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::Duration,
};

use core_wire::{
    client::{ClientFrame, Event, Generate, Params, Prompt, Request, ServerFrame},
    frame::{self, HEADER_BYTES},
    handshake::{self, CHALLENGE_BYTES, NONCE_BYTES, SESSION_BYTES},
    ids::{RequestId, SessionId},
    limits::{CLIENT_FRAME_BYTES_CEILING, SERVER_FRAME_BYTES_MAX},
};

use crate::harness::{Broker, Setup};

/// Far above what any answer takes on a loaded machine, a hung worker's 30 s included.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a broker listens, and what it wants to hear.
#[derive(Clone, Debug)]
pub struct Door {
    /// The socket.
    pub socket: PathBuf,
    /// The token.
    pub token: Vec<u8>,
}

impl Door {
    /// The door of a broker.
    ///
    /// # Errors
    /// Its token cannot be read.
    pub fn of(broker: &Broker) -> Setup<Self> {
        let token = std::fs::read_to_string(broker.install.token_file())?;
        Ok(Self { socket: broker.install.socket(), token: token.trim_end().into() })
    }

    /// A connection that has said nothing yet.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn knock(&self) -> Setup<UnixStream> {
        let stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// A session.
    ///
    /// # Errors
    /// The handshake ends otherwise.
    pub fn enter(&self) -> Setup<Raw> {
        let mut stream = self.knock()?;
        let hello = handshake::hello(&[7; NONCE_BYTES]);
        stream.write_all(&hello)?;
        let mut challenge = [0; CHALLENGE_BYTES];
        stream.read_exact(&mut challenge)?;
        let uid = nix::unistd::geteuid().as_raw();
        stream.write_all(&handshake::proof(&self.token, &hello, &challenge, uid)?)?;
        let mut session = [0; SESSION_BYTES];
        stream.read_exact(&mut session)?;
        Ok(Raw { stream, session: handshake::session(session) })
    }
}

/// A session on a blocking connection.
#[derive(Debug)]
pub struct Raw {
    /// The connection.
    pub stream: UnixStream,
    /// What every frame has to carry.
    pub session: SessionId,
}

impl Raw {
    /// The bytes of a frame, length and all.
    ///
    /// # Errors
    /// The id or the request is too long.
    pub fn frame(&self, id: &str, request: Request) -> Setup<Vec<u8>> {
        let id = RequestId::try_from(id.to_owned())?;
        let mut bytes = Vec::new();
        let frame = ClientFrame { session: self.session, id, request };
        frame::append(&frame, CLIENT_FRAME_BYTES_CEILING, &mut bytes)?;
        Ok(bytes)
    }

    /// Sends a request.
    ///
    /// # Errors
    /// As [`Raw::frame`], or the broker has closed.
    pub fn ask(&mut self, id: &str, request: Request) -> Setup<()> {
        let bytes = self.frame(id, request)?;
        Ok(self.stream.write_all(&bytes)?)
    }

    /// The next event.
    ///
    /// # Errors
    /// None comes in time, or the broker has closed.
    pub fn hear(&mut self) -> Setup<ServerFrame> {
        let mut header = [0; HEADER_BYTES];
        self.stream.read_exact(&mut header)?;
        let mut body = vec![0; frame::body_length(header, SERVER_FRAME_BYTES_MAX)?];
        self.stream.read_exact(&mut body)?;
        Ok(frame::read_body(&body)?)
    }

    /// Cancels a request, and hears both to their ends.
    ///
    /// # Errors
    /// It ends otherwise, or the broker has closed.
    pub fn cancel(&mut self, id: &str) -> Setup<()> {
        self.ask("cancel", Request::Cancel { target: id.into() })?;
        let mut ends = 0;
        while ends < 2 {
            match self.hear()?.event {
                Event::Done(_) => ends += 1,
                Event::Token { .. } => {}
                other => return Err(format!("{other:?} instead of an end").into()),
            }
        }
        Ok(())
    }

    /// All events of a request up to its terminal one, and none behind it: the answer to a later
    /// question comes next.
    ///
    /// # Errors
    /// An event of nobody or behind the end.
    pub fn hear_all(&mut self, id: &str) -> Setup<Vec<Event>> {
        let mut events = Vec::new();
        while !events.last().is_some_and(Event::is_terminal) {
            let ServerFrame { id: of, event } = self.hear()?;
            if of.as_str() != id {
                return Err(format!("an event of {:?}", of.as_str()).into());
            }
            events.push(event);
        }
        self.ask("behind", Request::Models)?;
        match self.hear()? {
            ServerFrame { id: of, event: Event::Models(_) } if of.as_str() == "behind" => {
                Ok(events)
            }
            ServerFrame { event, .. } => Err(format!("{event:?} came behind the end").into()),
        }
    }
}

/// A request for so many tokens.
pub fn generate(model: &str, max_tokens: u32) -> Generate {
    let params = Params { max_tokens, temperature: 0.0, ignore_eos: true, ..Params::default() };
    Generate { model: model.into(), prompt: Prompt::Text("Once".into()), params }
}
