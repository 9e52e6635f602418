//! Preparing a process for an attack at a stage.

use core_policy::apply;
use core_policy::profile::Profile;
use core_policy::seccomp::{self, Stage};

use crate::outcome::{Outcome, Side};

/// Where a worker or the broker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    Load,
    Serve,
    Broker,
    GpuLoad,
    GpuServe,
    GpuBroker,
}

impl At {
    /// Installs the filters of the stage, in order.
    pub(crate) fn enter(self) {
        apply::default_signals().unwrap();
        apply::no_new_privs().unwrap();
        let (profile, stages): (Profile, &[Stage]) = match self {
            Self::Load => (Profile::Cpu, &[Stage::Load]),
            Self::Serve => (Profile::Cpu, &[Stage::Load, Stage::Serve]),
            Self::Broker => (Profile::Cpu, &[Stage::Broker]),
            // As in a running system: a worker has the broker's filter below its own.
            Self::GpuLoad => (Profile::Gpu, &[Stage::Broker, Stage::Load]),
            Self::GpuServe => (Profile::Gpu, &[Stage::Broker, Stage::Load, Stage::Serve]),
            Self::GpuBroker => (Profile::Gpu, &[Stage::Broker]),
        };
        for stage in stages {
            seccomp::install(stage.under(profile)).unwrap();
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
