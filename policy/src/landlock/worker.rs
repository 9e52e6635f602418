//! The domain of one worker: its model's files, for reading, and nothing else; under the GPU
//! profile also the driver's device nodes.

use std::os::fd::BorrowedFd;

use landlock::{AccessFs, PathBeneath, RulesetCreatedAttr};

use super::device::grant_nodes;
use super::{DomainError, Rights};
use crate::profile::Profile;
use crate::report::Row;

/// Confines this process to reading the given files, by descriptor: the rule is bound to the inode
/// that the broker verified, so that a file swapped in later is EACCES.
///
/// Call it after the CPU variant was loaded and before anything untrusted is read, on the only
/// thread. Empty `models` is allowed and means no file at all. [`Profile::Gpu`] adds the device
/// nodes that exist of those in [`crate::profile::NODES`].
///
/// # Errors
/// [`DomainError`]; the worker must end.
pub fn confine_worker(
    models: &[BorrowedFd<'_>],
    profile: Profile,
) -> Result<Vec<Row>, DomainError> {
    let rights = Rights::of_kernel()?;
    let mut ruleset = rights.ruleset()?;
    for model in models {
        ruleset = ruleset.add_rule(PathBeneath::new(*model, AccessFs::ReadFile))?;
    }
    rights.enter(grant_nodes(ruleset, rights, profile)?)
}
