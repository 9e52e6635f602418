//! A check that this machine cannot run. It is listed with its reason and is never a pass.

use core_tests::harness::Setup;

/// Why a check did not run.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Skip(pub(crate) String);

/// Leaves a check out.
pub(crate) fn skip<T>(reason: impl Into<String>) -> Setup<T> {
    Err(Box::new(Skip(reason.into())))
}

/// Leaves a check out that only root can make: a worker is not dumpable, so nobody else may look at
/// its descriptors, or trace one that is not held from its very start.
pub(crate) fn needs_root(what: &str) -> Setup<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    skip(format!("{what} needs root"))
}
