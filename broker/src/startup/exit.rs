//! Exit codes, as sysexits names them (contract).

#![forbid(unsafe_code)]

use std::process::ExitCode;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Drained, or asked for help.
    Clean = 0,
    /// The command line is wrong.
    Usage = 64,
    /// A required protection is missing.
    Protection = 69,
    /// A promise of the program itself is broken.
    Fault = 70,
    /// The socket or the root directory cannot be made, reached or had alone.
    Create = 73,
    /// It would run as root.
    Root = 77,
    /// The configuration or the token is wrong.
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
