//! Preparing a process for an attack at a stage.

use core_policy::apply;
use core_policy::seccomp::{self, Stage};

use crate::outcome::{Outcome, Side};

/// Where a worker or the broker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    Load,
    Serve,
    Broker,
}

impl At {
    /// Installs the filters of the stage, in order.
    pub(crate) fn enter(self) {
        apply::default_signals().unwrap();
        apply::no_new_privs().unwrap();
        let stages: &[Stage] = match self {
            Self::Load => &[Stage::Load],
            Self::Serve => &[Stage::Load, Stage::Serve],
            Self::Broker => &[Stage::Broker],
        };
        for stage in stages {
            seccomp::install(*stage).unwrap();
        }
    }

    /// Enters the stage unless this is the twin, attacks, and leaves without any clean-up that the
    /// filter would not allow.
    pub(crate) fn attack(self, side: Side, attack: impl FnOnce() -> i64) -> Outcome {
        if side == Side::Locked {
            self.enter();
        }
        let outcome = Outcome::of_call(attack());
        leave(outcome)
    }
}

/// Ends the process with the outcome's exit code by the one call that every stage allows.
pub(crate) fn leave(outcome: Outcome) -> ! {
    let code = match outcome {
        Outcome::Success => 0,
        Outcome::Errno(errno) => 100 + i64::from(errno),
        Outcome::Signal(_) | Outcome::Broken => 99,
    };
    crate::attack::call(libc::SYS_exit_group, &[code]);
    unreachable!("exit_group returned")
}
