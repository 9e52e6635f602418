//! How a case ends, and how its child is started.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

/// With the layer under test or without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Locked,
    Twin,
}

/// How an attack ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It succeeded.
    Success,
    /// The kernel refused it with this errno.
    Errno(i32),
    /// The process was ended by this signal.
    Signal(i32),
    /// The case itself went wrong; the text is on standard error.
    Broken,
}

/// SIGSYS: the answer of a worker's filter.
pub(crate) const KILLED: Outcome = Outcome::Signal(libc::SIGSYS);

/// One case.
pub(crate) struct Case {
    pub(crate) name: String,
    /// What the child does.
    pub(crate) act: Box<dyn Fn(Side) -> Outcome>,
    /// With the layer.
    pub(crate) locked: Outcome,
    /// Without it; none where the case is its own proof.
    pub(crate) twin: Option<Outcome>,
}

impl Case {
    /// A case with both sides.
    pub(crate) fn new(
        name: impl Into<String>,
        locked: Outcome,
        twin: impl Into<Option<Outcome>>,
        act: impl Fn(Side) -> Outcome + 'static,
    ) -> Self {
        Self { name: name.into(), act: Box::new(act), locked, twin: twin.into() }
    }
}

/// First exit code that means an errno; below are success and a broken case.
const ERRNO_BASE: i32 = 100;
const BROKEN: u8 = 99;

impl Outcome {
    /// What a system call returned.
    pub(crate) fn of_call(result: i64) -> Self {
        if result >= 0 {
            return Self::Success;
        }
        Self::Errno(i32::try_from(-result).unwrap_or(libc::EIO))
    }

    /// What a library call returned.
    pub(crate) fn of_io<T>(result: std::io::Result<T>) -> Self {
        match result {
            Ok(_) => Self::Success,
            Err(error) => error.raw_os_error().map_or(Self::Broken, Self::Errno),
        }
    }

    /// Success when it holds; else the case is broken and says why.
    pub(crate) fn holds(holds: bool, why: &str) -> Self {
        if holds {
            return Self::Success;
        }
        eprintln!("does not hold: {why}");
        Self::Broken
    }

    pub(crate) fn exit_code(self) -> ExitCode {
        match self {
            Self::Success => ExitCode::SUCCESS,
            Self::Errno(errno) => {
                ExitCode::from(u8::try_from(ERRNO_BASE + errno).unwrap_or(BROKEN))
            }
            Self::Signal(_) | Self::Broken => ExitCode::from(BROKEN),
        }
    }

    /// Starts this binary as the child of a case and waits for it.
    pub(crate) fn of_child(name: &str, side: Side) -> Self {
        let side = format!("{side:?}").to_lowercase();
        let status = Command::new(std::env::current_exe().unwrap())
            .env(crate::CHILD, format!("{name}/{side}"))
            .stdin(Stdio::null())
            .status();
        Self::of_status(status.unwrap())
    }

    fn of_status(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(0), _) => Self::Success,
            (Some(code), _) if code > ERRNO_BASE => Self::Errno(code - ERRNO_BASE),
            (_, Some(signal)) => Self::Signal(signal),
            _ => Self::Broken,
        }
    }
}
