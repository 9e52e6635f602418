//! The domain of one worker: its model's files, for reading, and nothing else.

use std::os::fd::BorrowedFd;

use landlock::{AccessFs, PathBeneath, RulesetCreatedAttr};

use super::{DomainError, Rights};
use crate::report::Row;

/// Confines this process to reading the given files, by descriptor: the rule is bound to the inode
/// that the broker verified, so that a file swapped in later is EACCES.
///
/// Call it after the CPU variant was loaded and before anything untrusted is read, on the only
/// thread. Empty `models` is allowed and means no file at all.
///
/// # Errors
/// [`DomainError`]; the worker must end.
pub fn confine_worker(models: &[BorrowedFd<'_>]) -> Result<Vec<Row>, DomainError> {
    let rights = Rights::of_kernel()?;
    let mut ruleset = rights.ruleset()?;
    for model in models {
        ruleset = ruleset.add_rule(PathBeneath::new(*model, AccessFs::ReadFile))?;
    }
    rights.enter(ruleset)
}
