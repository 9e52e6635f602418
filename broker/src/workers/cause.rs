//! Why workers end: told apart, counted, and with consequences of its own for each.

use core_wire::client::deaths::DeathCause;
use nix::libc;

use super::{
    recover::{Ended, Verdict},
    watch::Death,
};

/// Why a worker ended, as far as it is counted and has consequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It was asked to.
    Asked,
    /// It made a call that its filter kills for.
    Policy,
    /// It broke the protocol of its rings.
    Protocol,
    /// A memory error.
    Segfault,
    /// An assertion.
    Abort,
    /// An instruction that the CPU does not deliver.
    Illegal,
    /// A page of its model that could not be read.
    Bus,
    /// Its model's file was changed under it.
    Changed,
    /// It took more memory than it was granted, was refused some, or the kernel had none left.
    Memory,
    /// It gave no sign of life, or would not let go.
    Hung,
    /// Somebody else killed it.
    Killed,
    /// It ended by itself, or otherwise.
    Exit,
}

impl Cause {
    /// Whether something that the worker did, or ran, brought it about. A SIGKILL from elsewhere
    /// counts against nobody.
    pub(crate) fn is_its_own(self) -> bool {
        match self {
            Self::Policy
            | Self::Protocol
            | Self::Segfault
            | Self::Abort
            | Self::Illegal
            | Self::Bus
            | Self::Memory
            | Self::Hung
            | Self::Exit => true,
            Self::Asked | Self::Changed | Self::Killed => false,
        }
    }

    /// As what it is counted; `None` for one that was asked to end. One that was not ready yet and
    /// ended by itself, or was too slow, says nothing of those that serve.
    pub(crate) fn counted(self, readiness: Readiness) -> Option<DeathCause> {
        let or_load = |cause| match readiness {
            Readiness::Reached => cause,
            Readiness::Not => DeathCause::Load,
        };
        Some(match self {
            Self::Asked => return None,
            Self::Policy => DeathCause::Policy,
            Self::Protocol => DeathCause::Protocol,
            Self::Segfault => DeathCause::Segfault,
            Self::Abort => DeathCause::Abort,
            Self::Illegal => DeathCause::Illegal,
            Self::Bus | Self::Changed => DeathCause::Bus,
            Self::Memory => DeathCause::Memory,
            Self::Killed => DeathCause::Killed,
            Self::Hung => or_load(DeathCause::Hung),
            Self::Exit => or_load(DeathCause::Exit),
        })
    }
}

/// Whether a worker had been ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// It had.
    Reached,
    /// It had not.
    Not,
}

impl Ended {
    /// Why it ended.
    pub(crate) fn cause(&self) -> Cause {
        match &self.verdict {
            Some(Verdict::Dismissed) => Cause::Asked,
            Some(Verdict::Breach(_)) => Cause::Protocol,
            Some(
                Verdict::Hung { .. }
                | Verdict::Stuck { .. }
                | Verdict::Greedy { .. }
                | Verdict::Late { .. }
                | Verdict::Slow { .. },
            ) => Cause::Hung,
            Some(Verdict::Changed { .. }) => Cause::Changed,
            Some(Verdict::Memory { .. }) => Cause::Memory,
            Some(Verdict::Unprotected { .. } | Verdict::Failed(_)) => Cause::Exit,
            None => self.death.cause(),
        }
    }
}

impl Death {
    /// Why a process ended that nobody had condemned.
    fn cause(self) -> Cause {
        match self {
            Self::Policy => Cause::Policy,
            Self::NoMemory | Self::NoAllocation => Cause::Memory,
            Self::Exit(_) => Cause::Exit,
            Self::Signal(libc::SIGSEGV) => Cause::Segfault,
            Self::Signal(libc::SIGABRT) => Cause::Abort,
            Self::Signal(libc::SIGILL) => Cause::Illegal,
            Self::Signal(libc::SIGBUS) => Cause::Bus,
            Self::Signal(libc::SIGKILL) => Cause::Killed,
            Self::Signal(_) => Cause::Exit,
        }
    }
}
