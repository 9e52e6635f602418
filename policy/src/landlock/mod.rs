//! Landlock domains: what the broker may open, and within that what one worker may.
//!
//! Every right that the running kernel knows is handled, because an unhandled right is allowed, and
//! the least is granted. The crate's best effort would drop rights silently, so the rights are
//! chosen for the kernel's own ABI first and then demanded; the answer must be "fully enforced".

mod broker;
mod canary;
mod device;
#[cfg(test)]
mod tests;
mod worker;

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, RestrictSelfAttr, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use crate::report::{How, Row, layer};
use crate::sys;

pub use broker::{BrokerDomain, restrict_broker};
pub use canary::{CanaryPaths, WorkerCanaries};
pub use worker::confine_worker;

/// Newest ABI whose rights were read and decided on here. A newer kernel gets these rights and the
/// row says so; raising the number means deciding what its new rights should be.
pub const ABI_PINNED: ABI = ABI::V10;

/// [`ABI_PINNED`] as the number that the kernel reports.
pub const ABI_PINNED_NUMBER: i32 = 10;

/// First ABI with a right to cut files short, which older ones leave to who may read (Linux 6.2).
const ABI_TRUNCATE: i32 = 3;
/// First ABI with rights on TCP ports (Linux 6.7).
const ABI_NET: i32 = 4;
/// First ABI with a right on commands to devices (Linux 6.10).
const ABI_IOCTL: i32 = 5;
/// First ABI with scopes for signals and abstract sockets (Linux 6.12).
const ABI_SCOPE: i32 = 6;
/// First ABI with flags for the log (Linux 6.15).
const ABI_LOG: i32 = 7;

/// A domain could not be entered; nobody may go on without it.
#[derive(Debug, thiserror::Error)]
pub enum DomainError {
    /// The kernel has no Landlock.
    #[error("this kernel has no Landlock; boot with lsm=landlock,... on Linux 5.13 or later")]
    Absent,
    /// A path of the domain cannot be opened.
    #[error("{path} cannot be opened for the domain: {source}; it must exist and be reachable")]
    Path {
        /// The path.
        path: PathBuf,
        /// Why.
        source: landlock::PathFdError,
    },
    /// What has the name of a device node is none.
    #[error("{path} is no character device; nothing else may stand in the place of a device node")]
    NoDevice {
        /// The path.
        path: PathBuf,
    },
    /// The kernel refused a step.
    #[error("the Landlock domain was refused: {0}")]
    Ruleset(#[from] RulesetError),
    /// Less was enforced than asked for.
    #[error("the Landlock domain is {0}, it must be fully enforced")]
    Weak(&'static str),
    /// A canary got through, or a path that must stay usable did not.
    #[error("the domain does not do what it should: {0}")]
    Canary(&'static str),
}

/// The kernel's Landlock ABI, 0 without Landlock.
pub fn abi() -> i32 {
    sys::landlock_abi()
}

/// The rights that exist on this kernel and are known here.
#[derive(Debug, Clone, Copy)]
struct Rights {
    kernel: i32,
    abi: ABI,
}

impl Rights {
    fn of_kernel() -> Result<Self, DomainError> {
        let kernel = abi();
        if kernel < 1 {
            // guard
            return Err(DomainError::Absent);
        }
        Ok(Self { kernel, abi: ABI::from(kernel.min(ABI_PINNED_NUMBER)) })
    }

    /// Grants only what exists: a right that is unknown to the kernel cannot be denied either.
    fn existing(self, rights: landlock::BitFlags<AccessFs>) -> landlock::BitFlags<AccessFs> {
        rights & AccessFs::from_all(self.abi)
    }

    /// A ruleset that handles every right and grants nothing yet.
    fn ruleset(self) -> Result<RulesetCreated, RulesetError> {
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(self.abi))?;
        if self.kernel >= ABI_NET {
            ruleset = ruleset.handle_access(AccessNet::from_all(self.abi))?;
        }
        if self.kernel >= ABI_SCOPE {
            ruleset = ruleset.scope(Scope::from_all(self.abi))?;
        }
        ruleset.create()
    }

    /// Enters the domain on the calling thread, which must be the only one.
    fn enter(self, ruleset: RulesetCreated) -> Result<Vec<Row>, DomainError> {
        let status = ruleset.restrict_self()?;
        enforced(&status.ruleset)?; // guard
        Ok(self.rows(How::OwnWord))
    }

    /// Asks for log lines about denials after exec, where the kernel can give them; a worker runs
    /// in the broker's domain after exec.
    fn with_log(self, ruleset: RulesetCreated) -> Result<RulesetCreated, RulesetError> {
        if self.kernel < ABI_LOG {
            return Ok(ruleset);
        }
        ruleset.log_new_exec(true)?.log_subdomains(true)
    }

    fn rows(self, how: How) -> Vec<Row> {
        let value = match self.kernel > ABI_PINNED_NUMBER {
            true => format!("abi {}, rights of {ABI_PINNED_NUMBER}", self.kernel),
            false => format!("abi {}", self.kernel),
        };
        let reaches = |least: i32| (self.kernel >= least).into();
        vec![
            Row::met(layer::LANDLOCK_FILESYSTEM, how, reaches(1), value.as_str()),
            Row::met(layer::LANDLOCK_NET, how, reaches(ABI_NET), value.as_str()),
            Row::met(layer::LANDLOCK_SCOPE, how, reaches(ABI_SCOPE), value.as_str()),
            Row::met(layer::LANDLOCK_TRUNCATE, how, reaches(ABI_TRUNCATE), value.as_str()),
            Row::met(layer::LANDLOCK_IOCTL, how, reaches(ABI_IOCTL), value),
        ]
    }
}

/// The rows about this kernel's Landlock before anything is applied.
pub(crate) fn probe_rows() -> Vec<Row> {
    Rights { kernel: abi(), abi: ABI::Unsupported }.rows(How::Probe)
}

fn enforced(status: &RulesetStatus) -> Result<(), DomainError> {
    match status {
        RulesetStatus::FullyEnforced => Ok(()),
        RulesetStatus::PartiallyEnforced => Err(DomainError::Weak("partially enforced")),
        RulesetStatus::NotEnforced => Err(DomainError::Weak("not enforced")),
    }
}
