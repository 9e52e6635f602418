//! Why a command does not succeed, and the exit code that says so.

use std::{io, process::ExitCode};

use core_client::{ConnectError, RequestError, TokenFileError};
use thiserror::Error;

/// The exit codes of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// The request ended in an error frame, or a required protection is missing.
    Failed = 1,
    /// The request was cancelled.
    Cancelled = 2,
    /// What was typed makes no sense.
    Usage = 64,
    /// No broker, or one that went away or makes no sense.
    NoBroker = 69,
    /// Not authenticated: token, its file, or user.
    NotAuthenticated = 77,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command does not succeed.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// What was typed makes no sense.
    #[error("{0}")]
    Usage(String),
    /// There is no usable token.
    #[error(transparent)]
    Token(#[from] TokenFileError),
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The request has no good end.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// An interrupt could not cancel anything.
    #[error("interrupts cannot be watched: {0}")]
    Signals(#[source] io::Error),
    /// Nobody reads standard output any more.
    #[error("standard output is closed")]
    Closed,
    /// The same, and a request was cancelled for it; or a script's answer was cancelled.
    #[error("cancelled")]
    Abandoned,
    /// Standard output cannot be written.
    #[error("standard output cannot be written: {0}")]
    Output(#[source] io::Error),
}

impl Failure {
    /// What went wrong with standard output.
    pub(crate) fn output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Output(error),
        }
    }

    /// The exit code that the contract gives it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Token(_) => Exit::NotAuthenticated,
            Self::Connect(error) => connect_exit(error),
            Self::Request(error) => request_exit(error),
            Self::Closed => Exit::Done,
            Self::Abandoned => Exit::Cancelled,
            Self::Output(_) | Self::Signals(_) => Exit::Failed,
        }
    }
}

fn connect_exit(error: &ConnectError) -> Exit {
    match error {
        ConnectError::Unreachable { .. }
        | ConnectError::Version { .. }
        | ConnectError::Stranger
        | ConnectError::Silent
        | ConnectError::Random(_) => Exit::NoBroker,
        ConnectError::Denied { .. } | ConnectError::Token | ConnectError::Refused { .. } => {
            Exit::NotAuthenticated
        }
    }
}

fn request_exit(error: &RequestError) -> Exit {
    match error {
        RequestError::Refused(_) | RequestError::TooLarge { .. } | RequestError::TooMany { .. } => {
            Exit::Failed
        }
        RequestError::Cancelled => Exit::Cancelled,
        RequestError::Lost | RequestError::Protocol(_) => Exit::NoBroker,
    }
}
