//! From what was typed to a connection.

use std::path::PathBuf;

use core_client::{Client, Token};

use crate::{failure::Failure, interrupt::Interrupts};

/// Which broker is meant, as far as it was said.
pub(crate) struct Target {
    pub(crate) socket: Option<PathBuf>,
    pub(crate) token_file: Option<PathBuf>,
}

/// A connection, and what an interrupt means while it is used.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) interrupts: Interrupts,
}

impl Target {
    /// Connects. From here on an interrupt is ours to handle, so nothing may block after it.
    pub(crate) async fn connect(self) -> Result<Session, Failure> {
        let (socket, token) = self.found()?;
        Ok(Session {
            interrupts: Interrupts::watch().map_err(Failure::Signals)?,
            client: Client::connect(&socket, &token).await?,
        })
    }

    /// Connects, for a command that has its own use for an interrupt.
    pub(crate) async fn reach(self) -> Result<Client, Failure> {
        let (socket, token) = self.found()?;
        Ok(Client::connect(&socket, &token).await?)
    }

    fn found(self) -> Result<(PathBuf, Token), Failure> {
        let socket = self.socket.ok_or_else(|| missing("--socket PATH", "CORE_SOCKET"))?;
        let file = self.token_file;
        let file = file.ok_or_else(|| missing("--token-file FILE", "CORE_TOKEN_FILE"))?;
        Ok((socket, Token::read_file(&file)?))
    }
}

fn missing(option: &str, variable: &str) -> Failure {
    Failure::Usage(format!("which broker? give {option} or set {variable}"))
}
