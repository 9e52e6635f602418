//! The ready line: one line of JSON that says that clients can connect.

#![forbid(unsafe_code)]

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use core_wire::limits::PROTOCOL;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use serde::Serialize;

#[cfg(test)]
mod tests;

/// How long the reader's pipe may be full, in milliseconds. It is empty when it is made for this
/// one line; a second is for a standard output that others write to as well.
const WAIT_MS: u16 = 1000;

/// Where the line goes.
#[derive(Debug)]
pub enum ReadyTo {
    /// Standard output, which stays open.
    Stdout,
    /// A descriptor of its own, closed after the line.
    Descriptor(OwnedFd),
}

/// The line's fields, in the order of the contract.
#[derive(Serialize)]
struct Line<'a> {
    ready: bool,
    pid: u32,
    socket: &'a str,
    protocol: String,
    version: &'a str,
}

impl ReadyTo {
    /// Writes the line; whoever does not read it is not waited for.
    ///
    /// # Errors
    /// Why it could not be written. The broker serves all the same: its socket is there.
    pub fn announce(self, socket: &Path) -> Result<(), Errno> {
        let line = line(socket, std::process::id());
        match self {
            Self::Stdout => write(std::io::stdout().as_fd(), line.as_bytes()),
            Self::Descriptor(descriptor) => write(descriptor.as_fd(), line.as_bytes()),
        }
    }
}

fn line(socket: &Path, pid: u32) -> String {
    let (major, minor) = PROTOCOL;
    let protocol = format!("{major}.{minor}");
    let socket = socket.to_string_lossy();
    let version = env!("CARGO_PKG_VERSION");
    let line = Line { ready: true, pid, socket: &socket, protocol, version };
    let mut text = serde_json::to_string(&line).expect("plain fields always have a JSON form");
    text.push('\n');
    text
}

/// A path has at most 107 bytes, six times as many in JSON: the line fits one write of `PIPE_BUF`.
fn write(to: BorrowedFd<'_>, line: &[u8]) -> Result<(), Errno> {
    let mut set = [PollFd::new(to, PollFlags::POLLOUT)];
    match poll(&mut set, PollTimeout::from(WAIT_MS))? {
        0 => Err(Errno::ETIMEDOUT),
        _ => nix::unistd::write(to, line).map(drop),
    }
}
