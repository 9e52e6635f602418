//! Why a connection or a request did not work, and what to do next.

use std::{io, path::PathBuf};

use core_wire::code::{Code, Refusal};
use thiserror::Error;

use crate::limits::HANDSHAKE_MAX;

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Nobody listens there.
    #[error(
        "no broker answers at {}: {source}; start one with \
         `core-broker serve --root DIR --socket {0} --token-file FILE`", socket.display()
    )]
    Unreachable {
        /// The socket's path.
        socket: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// The file system does not let this user reach the socket.
    #[error(
        "the socket {} is closed to uid {uid}; run this as the broker's user",
        socket.display()
    )]
    Denied {
        /// The socket's path.
        socket: PathBuf,
        /// The effective uid of this process.
        uid: u32,
    },
    /// The broker speaks another major version.
    #[error(
        "the broker speaks protocol {major}.{minor}, this client {}.{}; install both from one \
         release", core_wire::limits::PROTOCOL.0, core_wire::limits::PROTOCOL.1
    )]
    Version {
        /// Its major version.
        major: u16,
        /// Its minor version.
        minor: u16,
    },
    /// What listens there is no broker.
    #[error("what listens on the socket is no broker: its answer is no handshake")]
    Stranger,
    /// The broker does not hold this token, so nothing more was said to it.
    #[error("the broker does not hold this token; use the token file that it was started with")]
    Token,
    /// The broker ended the handshake.
    #[error(
        "the broker refused the connection of uid {uid}; run this as its user or as root, add the \
         uid to its configuration, or wait some seconds after failed attempts"
    )]
    Refused {
        /// The effective uid of this process.
        uid: u32,
    },
    /// The broker did not answer in time.
    #[error("the broker did not answer within {} s; see its log", HANDSHAKE_MAX.as_secs())]
    Silent,
    /// The kernel gives no random bytes for the nonce.
    #[error("no random bytes for the handshake")]
    Random(#[from] getrandom::Error),
}

/// Why a request has no good end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// The broker refused or ended it; [`Code::retry`] says whether a retry helps.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It was cancelled, and so has no answer.
    #[error("the request was cancelled before it had an answer")]
    Cancelled,
    /// The connection ended first. What the broker did meanwhile is not known.
    #[error("the connection to the broker ended before the request did; connect and ask again")]
    Lost,
    /// The broker broke the protocol; the connection is closed.
    #[error("the broker broke the protocol: {0}; the connection is closed")]
    Protocol(#[from] ProtocolError),
    /// It does not fit; nothing was sent or kept.
    #[error("{what} has {bytes} bytes; at most {max} are allowed")]
    TooLarge {
        /// The frame of a request, or an answer's text.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// Too many requests are open on this connection; wait for one, or connect once more.
    #[error("{max} requests are open on this connection, and no more are allowed")]
    TooMany {
        /// The bound.
        max: usize,
    },
}

impl RequestError {
    /// The code that the broker, or the client in its place, gives for this; `INTERNAL` for a
    /// broker that went away or broke the protocol.
    pub fn code(&self) -> Code {
        match self {
            Self::Refused(refusal) => refusal.code,
            Self::TooLarge { .. } => Code::BadFrame,
            Self::TooMany { .. } => Code::QueueFull,
            Self::Cancelled | Self::Lost | Self::Protocol(_) => Code::Internal,
        }
    }
}

/// How a broker broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// A frame is empty or longer than any answer.
    #[error("a frame announces {bytes} bytes; 1 to {max} are allowed")]
    Length {
        /// The announced length.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// A frame is no message.
    #[error("a frame is no message")]
    Shape,
    /// A frame names a request that is not open, such as one that has ended already.
    #[error("a frame names a request that is not open")]
    UnknownRequest,
    /// The event is none that this request can have.
    #[error("an event does not answer what was asked")]
    WrongEvent,
}
