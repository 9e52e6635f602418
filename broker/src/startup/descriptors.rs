//! Descriptors that were named on the command line.
//!
//! They are taken once, before this process opens anything, so that no number has two owners. Their
//! flags are never changed: the open files behind them are Control's too.

#![forbid(unsafe_code)]

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd, RawFd},
};

use core_policy::fds::{self, FdError};
use nix::{
    errno::Errno,
    sys::stat::{SFlag, fstat},
    unistd::dup2_stdin,
};
use thiserror::Error;

use super::ready::ReadyTo;
use crate::cli::Serve;

const STDIN: RawFd = 0;
const STDOUT: RawFd = 1;
const STDERR: RawFd = 2;

/// The descriptors of one start.
#[derive(Debug)]
pub struct Descriptors {
    /// Where the token is read from, unless a file was named.
    pub token: Option<OwnedFd>,
    /// Where the ready line goes.
    pub ready: ReadyTo,
    /// Whose end drains the broker.
    pub control: Option<OwnedFd>,
}

/// Why a number cannot be used; exit code 64.
#[derive(Debug, Error)]
pub enum DescriptorError {
    /// The number has another use.
    #[error("{flag} {number}: descriptor {number} cannot be used for that; open another one")]
    Reserved {
        /// The flag.
        flag: &'static str,
        /// Its number.
        number: RawFd,
    },
    /// A number is not open.
    #[error("descriptor {number} is not open; open it first, as a shell does with {number}<FILE")]
    Closed {
        /// The number.
        number: RawFd,
    },
    /// A number has two uses.
    #[error("one descriptor is named for two things; name each once")]
    Twice,
    /// It has no end to wait for.
    #[error("--control-fd must be a pipe or a socket")]
    ControlKind,
    /// It could not be duplicated.
    #[error("a descriptor cannot be handed over: {0}")]
    HandOver(io::Error),
}

impl Descriptors {
    /// Takes what the flags name.
    ///
    /// # Errors
    /// [`DescriptorError`]; exit code 64.
    pub fn take(args: &Serve) -> Result<Self, DescriptorError> {
        let token = reserved("--token-fd", args.token.token_fd, &[STDOUT, STDERR])?;
        let ready = reserved("--ready-fd", args.ready_fd, &[STDIN, STDERR])?;
        let ready = ready.filter(|number| *number != STDOUT);
        let control = reserved("--control-fd", args.control_fd, &[STDOUT, STDERR])?;
        let numbers: Vec<_> = [token, ready, control].into_iter().flatten().collect();
        // Standard input is the standard library's; it is duplicated and not taken.
        let claimed: Vec<_> = numbers.iter().copied().filter(|fd| *fd != STDIN).collect();
        if claimed.len() + 1 < numbers.len() {
            return Err(DescriptorError::Twice);
        }
        let mut owned = fds::claim_given(&claimed).map_err(refusal)?.into_iter();
        let mut next = |number: Option<RawFd>| match number {
            None => Ok(None),
            Some(STDIN) => hand_over_stdin().map(Some),
            // A duplicate that exec closes, so that the flags of the given one stay as they are.
            Some(_) => owned.next().map(|given| given.try_clone()).transpose(),
        };
        let mut next = |number| next(number).map_err(DescriptorError::HandOver);
        let (token, ready, control) = (next(token)?, next(ready)?, next(control)?);
        let ready = ready.map_or(ReadyTo::Stdout, ReadyTo::Descriptor);
        match control.as_ref().is_none_or(has_an_end) {
            true => Ok(Self { token, ready, control }),
            false => Err(DescriptorError::ControlKind),
        }
    }
}

/// The policy's errors speak of a worker's table.
fn refusal(error: FdError) -> DescriptorError {
    match error {
        FdError::Missing(number) => DescriptorError::Closed { number },
        _ => DescriptorError::Twice,
    }
}

fn reserved(
    flag: &'static str,
    number: Option<RawFd>,
    not: &[RawFd],
) -> Result<Option<RawFd>, DescriptorError> {
    match number {
        Some(number) if not.contains(&number) => Err(DescriptorError::Reserved { flag, number }),
        allowed => Ok(allowed),
    }
}

/// Number 0 must stay open, or the next file that is opened gets it: /dev/null takes the place.
fn hand_over_stdin() -> io::Result<OwnedFd> {
    let own = io::stdin().as_fd().try_clone_to_owned()?;
    dup2_stdin(File::open("/dev/null")?)?;
    Ok(own)
}

fn has_an_end(descriptor: &OwnedFd) -> bool {
    let kind: Result<SFlag, Errno> =
        fstat(descriptor).map(|found| SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT);
    matches!(kind, Ok(SFlag::S_IFIFO | SFlag::S_IFSOCK))
}
